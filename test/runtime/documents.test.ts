// config.json at the border: the spec's own documents, and errors that name the field.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  InvalidConfig,
  parseConfig,
  parseProcess,
  parseResources,
} from "../../src/spec/oci/runtime-validate.ts";

const fixtures = join(import.meta.dir, "fixtures", "config");
const documents = (kind: string) =>
  readdirSync(join(fixtures, kind)).map(
    (name) => [name, readFileSync(join(fixtures, kind, name), "utf8")] as const,
  );

test.each(documents("good"))("good/%s is accepted", (_, text) => {
  expect(parseConfig(text).ociVersion).toBeString();
});

test.each(documents("bad"))("bad/%s is refused", (_, text) => {
  expect(() => parseConfig(text)).toThrow(InvalidConfig);
});

const complaints = (document: object) => {
  try {
    parseConfig(JSON.stringify({ ociVersion: "1.0.2", ...document }));
    return [];
  } catch (error) {
    return (error as InvalidConfig).complaints;
  }
};

describe("complaints name the field", () => {
  test.each([
    [{ process: { cwd: "/", user: { uid: -1 } } }, "process.user.uid: -1 is out of range (0 to 4294967295)"],
    [{ process: { user: {} } }, "process.cwd: is required"],
    [{ mounts: [{ source: "x" }] }, "mounts[0].destination: is required"],
    [{ mounts: { a: 1 } }, 'mounts: expected a list, got {"a":1}'],
    [
      { linux: { namespaces: [{ type: "nope" }] } },
      'linux.namespaces[0].type: expected one of pid, network, mount, ipc, uts, user, cgroup, time, got "nope"',
    ],
    [
      { linux: { resources: { memory: { limit: "1g" } } } },
      'linux.resources.memory.limit: expected an integer, got "1g"',
    ],
    [
      { linux: { resources: { rdma: { mlx5: { hcaHandles: "x" } } } } },
      'linux.resources.rdma.mlx5.hcaHandles: expected an integer, got "x"',
    ],
    [
      { hooks: { prestart: [{ path: "relative" }] } },
      'hooks.prestart[0].path: expected an absolute path, got "relative"',
    ],
    [
      { hooks: { poststop: [{ path: "/x", timeout: 0 }] } },
      "hooks.poststop[0].timeout: 0 is out of range (1 to 2147483648)",
    ],
    [{ hostname: "a\0b" }, "hostname: contains a NUL byte"],
    [{ root: { path: "" } }, "root.path: must not be empty"],
    [
      { linux: { resources: { cpu: { cpus: "0-3;reboot" } } } },
      'linux.resources.cpu.cpus: expected a list of CPUs such as 0-3,7, got "0-3;reboot"',
    ],
  ])("%j", (document, complaint) => {
    expect(complaints(document)).toContain(complaint);
  });

  test("all of them at once", () => {
    expect(complaints({ hostname: 1, root: {}, mounts: [{}] })).toHaveLength(3);
  });
});

test("null stands for an absent field, and an absent user is root", () => {
  const config = parseConfig(
    '{"ociVersion":"1.0.0","process":{"cwd":"/","args":["x"],"capabilities":null},"hooks":null}',
  );
  expect(config.hooks).toBeUndefined();
  expect(config.process?.user).toMatchObject({ uid: 0, gid: 0 });
});

test("unknown fields are ignored", () => {
  expect(parseConfig('{"ociVersion":"1.9.0","later":{"x":[1]}}').ociVersion).toBe("1.9.0");
});

test("process and resources documents have the same border", () => {
  expect(() => parseProcess('{"args":["x"]}', "p.json")).toThrow("invalid p.json: cwd: is required");
  expect(() => parseResources('{"pids":{"limit":"many"}}')).toThrow("pids.limit: expected an integer");
});
