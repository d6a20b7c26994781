// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles are full of them
// Dockerfiles as text: words and variables, continued lines, directives, here-documents, every instruction and its errors.
import { describe, expect, test } from "bun:test";
import { BuildArgs } from "../../src/roles/engine/build/args.ts";
import { applyChanges } from "../../src/roles/engine/build/changes.ts";
import { parseInstruction } from "../../src/roles/engine/build/dockerfile/instructions.ts";
import { parseDockerfile } from "../../src/roles/engine/build/dockerfile/parse.ts";
import { planStages, stageIndex } from "../../src/roles/engine/build/dockerfile/stages.ts";
import { expandWord, expandWords, lookupIn } from "../../src/roles/engine/build/dockerfile/words.ts";
import { Ignore } from "../../src/roles/engine/build/dockerignore.ts";
import { expandInstruction } from "../../src/roles/engine/build/expand.ts";
import { exposedPorts } from "../../src/roles/engine/build/metadata.ts";
import { joinPath, joinTarget } from "../../src/roles/engine/build/paths.ts";

const env = lookupIn(["A=one", "EMPTY=", "PATHS=/a/b/c.tar.gz", "SPACED=x y", "A=later"]);

describe("words", () => {
  test.each([
    ["$A", "one"],
    ["${A}x", "onex"],
    ["$A$A", "oneone"],
    ["$NOPE.", "."],
    ["\\$A", "$A"],
    ["'$A'", "$A"],
    ['"$A"', "one"],
    ['"a\\"b"', 'a"b'],
    ['"a\\nb"', "a\\nb"],
    ["a\\ b", "a b"],
    ["${NOPE:-def}", "def"],
    ["${EMPTY:-def}", "def"],
    ["${EMPTY-def}", ""],
    ["${A:+yes}", "yes"],
    ["${EMPTY:+yes}", ""],
    ["${EMPTY+yes}", "yes"],
    ["${NOPE:-${A}}", "one"],
    ["${NOPE:-'$A'}", "$A"],
    ["${A:?must}", "one"],
    ["${PATHS#*/}", "a/b/c.tar.gz"],
    ["${PATHS##*/}", "c.tar.gz"],
    ["${PATHS%.*}", "/a/b/c.tar"],
    ["${PATHS%%.*}", "/a/b/c"],
    ["${PATHS/b/x}", "/a/x/c.tar.gz"],
    ["${PATHS//\\//-}", "-a-b-c.tar.gz"],
    ["$1x", "x"],
    ["a$", "a$"],
    ["$ ", "$ "],
    ["", ""],
  ])("%s is %s", (text, value) => {
    expect(expandWord(text, env)).toBe(value);
  });

  test.each([
    ["'abc", "looking for matching single-quote"],
    ['"abc', "looking for matching double-quote"],
    ["${A", "missing '}'"],
    ["${", "missing '}'"],
    ["${}", "bad substitution"],
    ["${A*}", "unsupported modifier (*) in substitution"],
    ["${A:x}", "unsupported modifier (:x) in substitution"],
    ["${NOPE:?is needed}", "NOPE: is needed"],
    ["${NOPE?}", "NOPE: not allowed to be unset"],
    ["${EMPTY:?}", "EMPTY: not allowed to be empty"],
  ])("%s: %s", (text, message) => {
    expect(() => expandWord(text, env)).toThrow(message);
  });

  test("blanks part words, unless quotes keep them", () => {
    expect(expandWords(`a "b c" $SPACED "$SPACED"`, env)).toEqual(["a", "b c", "x", "y", "x y"]);
  });

  test("the escape character can be another", () => {
    expect(expandWord("`$A C:\\x", env, "`")).toBe("$A C:\\x");
  });
});

const nodes = (text: string) => parseDockerfile(text).nodes;

describe("parsing", () => {
  test("comments, continued lines, blank lines between, upper and lower case", () => {
    const parsed = parseDockerfile(
      "\uFEFF# a comment\n\nfrom a\n  # another\nRUN one \\\n# in between\n\n  two \\\n three\r\nCMD x # not a comment\n",
    );
    expect(parsed.nodes.map(({ keyword, rest, line }) => [keyword, rest, line])).toEqual([
      ["from", "a", 3],
      ["run", "one   two  three", 5],
      ["cmd", "x # not a comment", 10],
    ]);
    expect(parsed.warnings.join()).toContain("Empty continuation line found in");
  });

  test("directives", () => {
    expect(parseDockerfile("# syntax=x/y\n# escape=`\nFROM a\nRUN a `\n b").nodes[1]!.rest).toBe("a  b");
    expect(parseDockerfile("# comment\n# escape=`\nFROM a").escapeChar).toBe("\\");
    expect(() => parseDockerfile("# escape=x\nFROM a")).toThrow("invalid escape token 'x'");
    expect(() => parseDockerfile("# escape=`\n# escape=`\nFROM a")).toThrow(
      "only one escape parser directive",
    );
  });

  test("here-documents", () => {
    const [run, copy, tabs] = nodes(
      'RUN <<EOF\necho a\n\necho b\nEOF\nCOPY <<one <<"two" /dir/\n$A\none\n$A\ntwo\nRUN cat <<-X > /f\n\t\tin\n\tX\n',
    );
    expect(run!.heredocs).toEqual([{ name: "EOF", content: "echo a\n\necho b\n", expand: true }]);
    expect(copy!.heredocs).toEqual([
      { name: "one", content: "$A\n", expand: true },
      { name: "two", content: "$A\n", expand: false },
    ]);
    expect(tabs!.heredocs[0]!.content).toBe("in\n");
    expect(() => nodes("RUN <<EOF\nx\n")).toThrow("dockerfile parse error on line 1: unterminated heredoc");
    expect(nodes("RUN cat <<<word")[0]!.heredocs).toEqual([]);
    const step = expandInstruction(parseInstruction('COPY <<f /\n"$A" $B\nf'), env, "\\");
    expect(step.kind === "copy" && step.heredocs[0]!.content).toBe('"one" \n');
  });

  test("flags are cut off in front", () => {
    expect(nodes('COPY --from=a --chown="x y" b c')[0]).toMatchObject({
      flags: ["--from=a", "--chown=x y"],
      rest: "b c",
    });
    expect(nodes("RUN -- --not-a-flag")[0]).toMatchObject({ flags: [], rest: "--not-a-flag" });
  });

  test("an empty file", () => {
    expect(() => parseDockerfile("# nothing\n")).toThrow("file with no instructions");
  });
});

describe("instructions", () => {
  test.each([
    ["FROM a AS b c", "FROM requires either one or three arguments"],
    [
      "FROM a AS 1b",
      'invalid name for build stage: "1b", name can\'t start with a number or contain symbols',
    ],
    ["FOO x", "unknown instruction: FOO"],
    ["ENV", "ENV requires at least one argument"],
    ["ENV a", "ENV must have two arguments"],
    ["ENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'],
    ["ENV =x", "ENV names can not be blank"],
    ["LABEL a", "LABEL must have two arguments"],
    ["COPY a", "COPY requires at least two arguments"],
    ["COPY --nope=1 a b", "unknown flag: --nope"],
    ["COPY --from a b", "missing a value on flag: --from"],
    ["COPY --from=a --from=b c d", "duplicate flag specified: from"],
    ["RUN --mount=type=cache y", "target is required"],
    ["RUN --mount=type=cache,from=a,target=/x y", "that begins with files (from, source) is not implemented"],
    ["RUN --mount=nope=a,target=/x y", "unexpected key 'nope'"],
    ["RUN --network=x y", "invalid network mode"],
    ["WORKDIR", "WORKDIR requires exactly one argument"],
    ["ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ["ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"],
    ["SHELL /bin/sh", "SHELL requires the arguments to be in JSON form"],
    ["HEALTHCHECK", "HEALTHCHECK requires at least one argument"],
    ["HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"],
    ["HEALTHCHECK FOO x", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
    ["HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"],
    ["HEALTHCHECK --interval=1us CMD x", "cannot be less than 1ms"],
    ["HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative"],
    ["VOLUME", "VOLUME requires at least one argument"],
    ['VOLUME [""]', "VOLUME specified can not be an empty string"],
    ["ARG =x", "ARG names can not be blank"],
  ])("%s: %s", (text, message) => {
    expect(() => parseInstruction(text)).toThrow(message);
  });

  test("what each one says", () => {
    expect(parseInstruction("ENV a=b c='d e'")).toMatchObject({
      pairs: [
        ["a", "b"],
        ["c", "'d e'"],
      ],
    });
    expect(parseInstruction("ENV a b c")).toMatchObject({ pairs: [["a", "b c"]] });
    expect(parseInstruction('CMD ["a", "b"]')).toMatchObject({ command: { exec: true, words: ["a", "b"] } });
    expect(parseInstruction('CMD ["a", 1]')).toMatchObject({ command: { exec: false, words: ['["a", 1]'] } });
    expect(parseInstruction('COPY ["a b", "c"]')).toMatchObject({ sources: ["a b"], target: "c" });
    expect(parseInstruction("VOLUME /a /b")).toMatchObject({ paths: ["/a", "/b"] });
    expect(parseInstruction("ARG a=1 b")).toMatchObject({ args: [{ name: "a", value: "1" }, { name: "b" }] });
    expect(parseInstruction("HEALTHCHECK --interval=5s --retries=3 CMD curl x")).toMatchObject({
      health: { Test: ["CMD-SHELL", "curl x"], Interval: 5e9, Retries: 3 },
    });
    expect(parseInstruction("ONBUILD RUN a \\\n b")).toMatchObject({ trigger: "RUN a  b" });
  });

  test("ports", () => {
    expect(exposedPorts("80")).toEqual(["80/tcp"]);
    expect(exposedPorts("80-82/udp")).toEqual(["80/udp", "81/udp", "82/udp"]);
    expect(exposedPorts("127.0.0.1:8080:80")).toEqual(["80/tcp"]);
    expect(() => exposedPorts("x")).toThrow("invalid containerPort: x");
    expect(() => exposedPorts("80/foo")).toThrow("invalid proto: foo");
  });

  test("stages", () => {
    const plan = planStages(parseDockerfile("ARG V=1\nFROM a:$V AS Base\nRUN x\nFROM base\nCMD y"));
    expect(plan.metaArgs).toHaveLength(1);
    expect(plan.stages.map(({ from, instructions }) => [from.name, instructions.length])).toEqual([
      ["base", 1],
      ["", 1],
    ]);
    expect([
      stageIndex(plan.stages, "BASE"),
      stageIndex(plan.stages, "1"),
      stageIndex(plan.stages, "no"),
    ]).toEqual([0, 1, -1]);
    expect(() => planStages(parseDockerfile("RUN x"))).toThrow("line 1: no build stage in current context");
    expect(() => planStages(parseDockerfile("FROM a\n\nFOO"))).toThrow(
      "dockerfile parse error on line 3: unknown instruction: FOO",
    );
  });
});

test("build arguments: given ones win, undeclared ones do not count, proxies need no declaration", () => {
  const args = BuildArgs.of(
    { A: "given", LOST: "x", HTTP_PROXY: "p", NULL: null },
    { os: "linux", architecture: "arm64", variant: "v8" },
  );
  args.declareMeta("V", "1");
  const stage = args.forStage();
  expect(stage.entries()).toEqual(["HTTP_PROXY=p"]);
  for (const [name, value] of [["A", "default"], ["V"], ["NULL", "d"], ["TARGETARCH"], ["UNSET"]] as const) {
    stage.declare(name, value);
  }
  expect(stage.entries()).toEqual(["A=given", "HTTP_PROXY=p", "NULL=d", "TARGETARCH=arm64", "V=1"]);
  expect(stage.forRun(["A=image"])).not.toContain("A=given");
  expect(stage.recorded(stage.entries())).not.toContain("HTTP_PROXY=p");
  expect(args.unused()).toEqual(["LOST"]);
  expect(args.forStage().entries()).toEqual(["HTTP_PROXY=p"]);
});

test("changes of commit and import", () => {
  const base = { Env: ["A=1"], Cmd: ["sh"], Labels: { old: "x" } };
  const changed = applyChanges(base, [
    "ENV B=$A C=2",
    'ENTRYPOINT ["/bin/e"]',
    "CMD x y",
    "EXPOSE 80",
    "VOLUME /v",
    "USER me",
    "WORKDIR /w",
    "LABEL new=y",
    "ONBUILD RUN z",
  ]);
  expect(changed).toMatchObject({
    Env: ["A=1", "B=1", "C=2"],
    Entrypoint: ["/bin/e"],
    Cmd: ["/bin/sh", "-c", "x y"],
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/v": {} },
    User: "me",
    WorkingDir: "/w",
    Labels: { old: "x", new: "y" },
    OnBuild: ["RUN z"],
  });
  expect(base).toEqual({ Env: ["A=1"], Cmd: ["sh"], Labels: { old: "x" } });
  expect(() => applyChanges({}, ["RUN x"])).toThrow("run is not a valid change command");
});

test(".dockerignore", () => {
  const ignore = new Ignore(
    "# c\n*.log\n!keep.log\n/build/\n**/node_modules\ndocs/**/*.md\n!docs/README.md\na?c\n[xy]z\n",
  );
  const excluded = (path: string) => ignore.excludes(path);
  expect(
    ["x.log", "build", "build/a/b", "a/b/node_modules", "node_modules/x", "docs/a/b.md", "abc", "xz"].map(
      excluded,
    ),
  ).toEqual(Array(8).fill(true));
  expect(["keep.log", "sub/x.log", "rebuild", "docs/README.md", "a/abc", "az"].map(excluded)).toEqual(
    Array(6).fill(false),
  );
  expect(() => new Ignore("[a")).toThrow("syntax error in pattern");
});

test("paths inside an image", () => {
  expect(joinPath("/a", "b/../c")).toBe("/a/c");
  expect(joinPath("/a", "/b")).toBe("/b");
  expect(joinPath("", "../..")).toBe("/");
  expect(joinTarget("/a", "b/")).toBe("/a/b/");
  expect(joinTarget("/a", ".")).toBe("/a/");
  expect(joinTarget("/", ".")).toBe("/");
});
