import { expect, test } from "bun:test";
import { mergeEnvironment } from "../../src/roles/engine/oci/environment.ts";
import { resolveUser } from "../../src/roles/engine/oci/user.ts";

const PASSWD =
  "root:x:0:0:root:/root:/bin/sh\nmysql:x:101:102::/var/lib/mysql:/bin/false\n1000:x:7:8::/h:/bin/sh\n";
const GROUP = "root:x:0:\nmysql:x:102:\nadm:x:4:mysql,root\naudio:x:29:mysql\n";

test("no user is root with root's groups", () => {
  expect(resolveUser("", [], PASSWD, GROUP)).toEqual({
    uid: 0,
    gid: 0,
    additionalGids: [0, 4],
    home: "/root",
  });
});

test("a name brings its group, its supplementary groups and its home", () => {
  expect(resolveUser("mysql", [], PASSWD, GROUP)).toEqual({
    uid: 101,
    gid: 102,
    additionalGids: [102, 4, 29],
    home: "/var/lib/mysql",
  });
});

test("a group given by hand replaces the supplementary ones", () => {
  expect(resolveUser("mysql:adm", [], PASSWD, GROUP).additionalGids).toEqual([4]);
  expect(resolveUser("101:55", [], PASSWD, GROUP)).toMatchObject({ uid: 101, gid: 55 });
});

test("numbers need no entry, names do", () => {
  expect(resolveUser("4242", [], "", "")).toEqual({ uid: 4242, gid: 0, additionalGids: [0], home: "/" });
  expect(() => resolveUser("nobodyx", [], PASSWD, GROUP)).toThrow(
    "unable to find user nobodyx: no matching entries in passwd file",
  );
  expect(() => resolveUser("0:zzz", [], PASSWD, GROUP)).toThrow(
    "unable to find group zzz: no matching entries in group file",
  );
  expect(() => resolveUser("3000000000", [], PASSWD, GROUP)).toThrow(
    "uids and gids must be in range 0-2147483647",
  );
});

test("a user whose name is a number wins over the number", () => {
  expect(resolveUser("1000", [], PASSWD, GROUP).uid).toBe(7);
});

test("extra groups by name and number", () => {
  expect(resolveUser("4242", ["audio", "77"], PASSWD, GROUP).additionalGids).toEqual([0, 29, 77]);
  expect(() => resolveUser("", ["nosuch"], PASSWD, GROUP)).toThrow("Unable to find group nosuch");
});

test("environment: replace in place, remove by bare name, append", () => {
  expect(mergeEnvironment(["A=1", "B=2"], ["B=3", "C=4", "A"])).toEqual(["B=3", "C=4"]);
});
