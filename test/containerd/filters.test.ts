// containerd's filter syntax, held against the examples of its documentation and against its refusals.
import { describe, expect, test } from "bun:test";
import { labelField, matcher } from "../../src/roles/containerd/filters/match.ts";
import { parseFilter } from "../../src/roles/containerd/filters/parse.ts";

interface Thing {
  name: string;
  labels: Record<string, string>;
}

const things: Thing[] = [
  { name: "bazo", labels: { foo: "true", "more.io/key": "a b" } },
  { name: "baz", labels: { foo: "false", "very complex label w/ \\ symbols": "1" } },
  { name: "foo", labels: {} },
];

const fieldOf = (one: Thing, path: readonly string[]) =>
  path[0] === "name" ? one.name : path[0] === "labels" ? labelField(one.labels, path.slice(1)) : undefined;

const chosen = (...filters: string[]) => things.filter(matcher(filters, fieldOf)).map(({ name }) => name);

describe("filters", () => {
  test.each<[string[], string[]]>([
    [[], ["bazo", "baz", "foo"]],
    [[""], ["bazo", "baz", "foo"]],
    [["name==foo"], ["foo"]],
    [['name=="foo"'], ["foo"]],
    [["name!=foo"], ["bazo", "baz"]],
    [["name~=^ba"], ["bazo", "baz"]],
    [["name~=/o$/"], ["bazo", "foo"]],
    [["name~=|^foo$|"], ["foo"]],
    [["labels.foo"], ["bazo", "baz"]],
    [["labels.foo==true"], ["bazo"]],
    [["labels.foo, labels.foo!=true"], ["baz"]],
    [["labels.foo!=true"], ["baz", "foo"]],
    [['labels."more.io/key"=="a b"'], ["bazo"]],
    [['labels."very complex label w/ \\\\ symbols"'], ["baz"]],
    [
      ["name==foo", "name==baz"],
      ["baz", "foo"],
    ],
    [["name==foo,labels.foo"], []],
    [["name==baz\\u006f"], []],
    [['name=="baz\\u006f"'], ["bazo"]],
    [["nothing"], []],
    [["nothing!=x"], ["bazo", "baz", "foo"]],
    [["name == foo"], ["foo"]],
    [["name=="], []],
  ])("%j chooses %j", (filters, names) => {
    expect(chosen(...filters)).toEqual(names);
  });

  test.each(["==x", "name=x", "name==a b", 'name=="open', "a..b", ".a", "name==x,", "na me", 'name=="\\q"'])(
    "%j is refused with the place",
    (filter) => {
      expect(() => parseFilter(filter)).toThrow(/filters: parse error: \[.*>\|.*\|<.*\]: /);
    },
  );

  test("a bad regular expression is refused", () => {
    expect(() => chosen("name~=([")).toThrow(/invalid regular expression/);
  });
});
