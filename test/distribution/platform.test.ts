import { describe, expect, test } from "bun:test";
import { formatPlatform, matchPlatform, parsePlatform } from "../../src/spec/oci/platform.ts";

describe("reading", () => {
  const cases: [given: string, canonical: string][] = [
    ["linux/amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["Linux/AMD64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/i386", "linux/386"],
    ["s390x", "linux/s390x"],
    ["windows/amd64", "windows/amd64"],
  ];
  for (const [given, canonical] of cases) {
    test(given, () => expect(formatPlatform(parsePlatform(given))).toBe(canonical));
  }
  for (const bad of ["", "linux/", "linux/amd64/v1/x", "li nux/amd64", "zx81"]) {
    test(`refused: ${JSON.stringify(bad)}`, () =>
      expect(() => parsePlatform(bad)).toThrow("invalid argument"));
  }
});

describe("choosing", () => {
  const entries = [
    "linux/386",
    "linux/arm/v5",
    "linux/arm/v7",
    "linux/arm64/v8",
    "linux/amd64/v3",
    "linux/amd64",
  ].map((text) => {
    const [os = "", architecture = "", variant] = text.split("/");
    return { name: text, platform: { os, architecture, variant } };
  });
  const choose = (wanted: string) => matchPlatform(parsePlatform(wanted), entries).map((entry) => entry.name);
  test("amd64 takes amd64, then 386", () =>
    expect(choose("linux/amd64")).toEqual(["linux/amd64", "linux/386"]));
  test("amd64/v3 takes the best it can run", () =>
    expect(choose("linux/amd64/v3")).toEqual(["linux/amd64/v3", "linux/amd64", "linux/386"]));
  test("arm/v6 takes no v7", () => expect(choose("linux/arm/v6")).toEqual(["linux/arm/v5"]));
  test("arm64 falls back to arm", () =>
    expect(choose("linux/arm64")).toEqual(["linux/arm64/v8", "linux/arm/v7", "linux/arm/v5"]));
  test("nothing for s390x", () => expect(choose("linux/s390x")).toEqual([]));
  test("an entry without a platform comes last", () => {
    const list = [{ platform: undefined }, { platform: { os: "linux", architecture: "amd64" } }];
    expect(matchPlatform(parsePlatform("linux/amd64"), list)).toEqual([list[1]!, list[0]!]);
  });
});
