// Go templates and tables. Expected texts were taken from Go's text/template and the docker CLI.
import { describe, expect, test } from "bun:test";
import { compile } from "../../src/roles/docker/template/evaluate.ts";
import { align, render } from "../../src/roles/docker/template/table.ts";
import { fromJson, toJson } from "../../src/roles/docker/template/value.ts";

const data = {
  Id: "abc",
  Name: "/web",
  State: { Running: true, Pid: 12, Error: "" },
  Config: { Env: ["A=b", "C=d"], Labels: { "com.x/y": "z", b: "c" }, Cmd: null },
  HostConfig: { Binds: null, Memory: 67108864, Labels: null, Init: null },
  NetworkSettings: { Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "81/tcp": null } },
};

describe("templates", () => {
  test.each([
    ["plain", "plain"],
    ["{{.Id}} {{.Name}}", "abc /web"],
    ["{{.ID}}", "abc"],
    ["{{.State.Running}} {{.State.Pid}}", "true 12"],
    ["{{json .Config.Env}}", '["A=b","C=d"]'],
    ["{{.Config.Env | json}}", '["A=b","C=d"]'],
    ["{{.Config.Env}} {{.Config.Labels}}", "[A=b C=d] map[b:c com.x/y:z]"],
    ["{{.HostConfig.Binds}} {{.HostConfig.Labels}} {{.HostConfig.Init}}", "[] map[] <nil>"],
    ["{{.HostConfig.Memory}}", "67108864"],
    ['{{index .Config.Labels "com.x/y"}}', "z"],
    ['{{index .Config.Labels "none"}}', ""],
    ["{{index .Config.Env 1}}", "C=d"],
    ['{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"],
    ["{{range .Config.Env}}<{{.}}>{{end}}", "<A=b><C=d>"],
    ["{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}", "A=b, C=d"],
    [
      "{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{with $c}}{{(index . 0).HostPort}}{{else}}-{{end}} {{end}}",
      "80/tcp=8080 81/tcp=- ",
    ],
    ["{{range .Config.Cmd}}x{{else}}none{{end}}", "none"],
    ['{{define "n"}}<{{.}}{{$}}>{{end}}{{range .Config.Env}}{{template "n" .}}{{end}}', "<A=bA=b><C=dC=d>"],
    ['{{block "n" .Id}}[{{.}}]{{end}}{{template "n" "x"}}{{template "n"}}', "[abc][x][<no value>]"],
    ['{{range .Config.Env}}{{if eq . "C=d"}}{{break}}{{end}}{{.}}{{end}}', "A=b"],
    ["{{if and .State.Running (not .State.Error)}}up{{else}}down{{end}}", "up"],
    ["{{if .State.Error}}e{{else if .State.Running}}r{{else}}n{{end}}", "r"],
    ['{{if eq .Name "x" "/web"}}yes{{end}}', "yes"],
    ["{{if gt .State.Pid 10}}big{{end}}{{if le .State.Pid 10}}small{{end}}", "big"],
    ['{{$x := .Id}}{{$x = "q"}}{{$x}}{{$.Name}}', "q/web"],
    ["{{with .State}}{{.Pid}}{{$.Id}}{{end}}", "12abc"],
    [
      '{{printf "%-5s|%5s|%05d|%q|%v|%x|%.2f|%%" "a" "b" 42 "q" .State.Running 255 1.5}}',
      'a    |    b|00042|"q"|true|ff|1.50|%',
    ],
    [
      '{{join .Config.Env "+"}} {{upper "ab"}} {{lower "AB"}} {{title "hello world"}}',
      "A=b+C=d AB ab Hello World",
    ],
    ['{{split "a,b" ","}} {{len .Config.Env}} {{len "häh"}}', "[a b] 2 4"],
    ['{{println "x"}}{{pad "x" 1 2}}|{{truncate "abcdef" 3}}', "x\n x  |abc"],
    ["{{- /* gone */ -}} a {{- .Id -}} b", "aabcb"],
    ["{{`raw}}`}}{{\"\\t\\u00e9\"}}{{'a'}}", "raw}}\té97"],
    ['{{slice "abcdef" 1 3}} {{html "<a>"}}', "bc &lt;a&gt;"],
    ["{{or .State.Error .Id}}", "abc"],
    ["{{range 3}}{{.}}{{end}}", "012"],
  ])("%s", (template, expected) => {
    expect(compile(template).execute(data)).toBe(expected);
  });

  test.each([
    ["{{", "template: :1: unclosed action"],
    ["{{.Id", "template: :1: unclosed action"],
    ["{{nope .}}", 'template: :1: function "nope" not defined'],
    ["{{$x}}", 'template: :1: undefined variable "$x"'],
    ["{{if .Id}}x", "template: :1: unexpected EOF"],
    ["{{end}}", "template: :1: unexpected {{end}}"],
    ["{{}}", "template: :1: missing value for command"],
    ["{{(.Id}}", "template: :1: unclosed left paren"],
    ['{{"x}}', "template: :1: unterminated quoted string"],
    ["{{.Nope}}", 'template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"'],
    ["{{.Id.Nope}}", 'template: :1:5: executing "" at <.Id.Nope>: can\'t evaluate field Nope in type string'],
    ["{{index .Config.Env 5}}", "error calling index: index out of range: 5"],
  ])("refused: %s", (template, expected) => {
    expect(() => compile(template).execute(data)).toThrow(expected);
  });

  test("integers beyond 2^53 keep every digit", () => {
    const value = fromJson('{"timeNano":1795484459123456789,"n":1.5}');
    expect(toJson(value)).toBe('{"timeNano":1795484459123456789,"n":1.5}');
    expect(compile("{{.timeNano}}").execute(value)).toBe("1795484459123456789");
  });
});

describe("tables", () => {
  const headers = { ID: "CONTAINER ID", Names: "NAMES", Label: "LABEL" };
  const rows = [
    { ID: "abc", Names: "a-long-name-here", Label: (name: unknown) => `<${name}>` },
    { ID: "def", Names: "b", Label: () => "" },
  ];

  test("columns are as wide as their widest cell, at least ten, three apart", () => {
    expect(render("table {{.ID}}\t{{.Names}}\t{{.ID}}", headers, rows)).toBe(
      [
        "CONTAINER ID   NAMES              CONTAINER ID",
        "abc            a-long-name-here   abc",
        "def            b                  def",
        "",
      ].join("\n"),
    );
  });

  test("a column ends where lines without it begin", () => {
    expect(align("a\tb\nc\nlonglonglong\td\n")).toBe("a         b\nc\nlonglonglong   d\n");
  });

  test("typed \\t, functions on headers, methods", () => {
    expect(render('table {{upper .Names}}\\t{{.Label "x"}}', headers, rows)).toBe(
      "NAMES              x\nA-LONG-NAME-HERE   <x>\nB                  \n",
    );
    expect(render("{{.ID}}: {{.Names}}", headers, rows)).toBe("abc: a-long-name-here\ndef: b\n");
    expect(render("json", headers, [{ A: "<none>" }])).toBe('{"A":"\\u003cnone\\u003e"}\n');
  });

  test("a wrong template is told even when there is nothing to show", () => {
    expect(() => render("{{.Foo}}", headers, [])).toThrow(
      "failed to execute template: template: :1:2: executing",
    );
    expect(() => render("{{", headers, [])).toThrow(
      "failed to parse template: template: :1: unclosed action",
    );
  });
});
