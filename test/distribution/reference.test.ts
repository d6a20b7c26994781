import { describe, expect, test } from "bun:test";
import {
  familiarName,
  familiarString,
  formatReference,
  parseReference,
  parseTagged,
} from "../../src/wire/distribution/reference.ts";

const D = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("references in full and familiar form", () => {
  const cases: [given: string, full: string, familiar: string][] = [
    ["busybox", "docker.io/library/busybox:latest", "busybox:latest"],
    ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
    ["library/busybox", "docker.io/library/busybox:latest", "busybox:latest"],
    ["index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"],
    ["docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"],
    ["a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"],
    ["localhost/x", "localhost/x:latest", "localhost/x:latest"],
    ["localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"],
    [`localhost:5000/x@${D}`, `localhost:5000/x@${D}`, `localhost:5000/x@${D}`],
    [`x:v1@${D}`, `docker.io/library/x:v1@${D}`, `x:v1@${D}`],
    ["[::1]:5000/x:y", "[::1]:5000/x:y", "[::1]:5000/x:y"],
    ["Uppercase.example/x", "Uppercase.example/x:latest", "Uppercase.example/x:latest"],
    ["a.b/c__d/e--f.g", "a.b/c__d/e--f.g:latest", "a.b/c__d/e--f.g:latest"],
    ["bunker.internal/hello:latest", "bunker.internal/hello:latest", "bunker.internal/hello:latest"],
  ];
  for (const [given, full, familiar] of cases) {
    test(given, () => {
      const reference = parseTagged(given);
      expect(formatReference(reference)).toBe(full);
      expect(familiarString(reference)).toBe(familiar);
      expect(parseReference(full)).toEqual(reference);
    });
  }
  test("the name alone", () => {
    expect(familiarName(parseReference("busybox:1"))).toBe("busybox");
    expect(parseReference("busybox").tag).toBeUndefined();
  });
});

describe("what is refused, in Docker's words", () => {
  const cases: [given: string, message: string][] = [
    ["", "invalid reference format"],
    ["Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"],
    ["a/B:x", "invalid reference format: repository name (a/B) must be lowercase"],
    ["busybox:", "invalid reference format"],
    ["busybox:-x", "invalid reference format"],
    [":x", "invalid reference format"],
    ["-x", "invalid reference format"],
    ["a//b", "invalid reference format"],
    ["a/b/", "invalid reference format"],
    ["a b", "invalid reference format"],
    ["x\n", "invalid reference format"],
    ["../x", "invalid reference format"],
    ["a___b", "invalid reference format"],
    ["x@sha256:abc", "invalid reference format"],
    ["x@md5:0123456789abcdef0123456789abcdef", "unsupported digest algorithm"],
    ["x@sha256:0123456789abcdef0123456789abcdef", "invalid checksum digest length"],
    [`x@${D.toUpperCase().replace("SHA", "sha")}`, "invalid checksum digest format"],
    [
      "0123456789abcdef".repeat(4),
      `invalid repository name (${"0123456789abcdef".repeat(4)}), cannot specify 64-byte hexadecimal strings`,
    ],
    ["a".repeat(256), "repository name must not be more than 255 characters"],
    [`x:${"t".repeat(129)}`, "invalid reference format"],
  ];
  for (const [given, message] of cases) {
    test(JSON.stringify(given.slice(0, 40)), () => expect(() => parseReference(given)).toThrow(message));
  }
});
