// Sizes, durations, times, ports, quoting: the words people read. Expected texts as go-units and the docker CLI print them.
import { describe, expect, test } from "bun:test";
import { parseBytes, parseCpus, parseDuration, parseSwapBytes } from "../../src/roles/docker/flags/values.ts";
import { displayPorts } from "../../src/roles/docker/format/ports.ts";
import { timestamp } from "../../src/roles/docker/format/time.ts";
import { bytesSize, humanDuration, humanSize } from "../../src/roles/docker/format/units.ts";
import { ellipsis, quote, shortId } from "../../src/roles/docker/format/words.ts";

describe("sizes", () => {
  test.each([
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [1024, "1.024kB"],
    [1_500_000, "1.5MB"],
    [1_982_464, "1.982MB"],
    [1_000_000_000, "1GB"],
    [123_456_789_012, "123.5GB"],
  ])("%i is %s", (size, text) => expect(humanSize(size)).toBe(text));
  test("three digits in tables", () => {
    expect(humanSize(1_982_464, 3)).toBe("1.98MB");
    expect(humanSize(123_456_789, 3)).toBe("123MB");
    expect(humanSize(999_900, 3)).toBe("1e+03kB");
  });
  test("binary", () => expect(bytesSize(25_276_383_232)).toBe("23.54GiB"));
});

describe("durations", () => {
  test.each([
    [0.5, "Less than a second"],
    [1, "1 second"],
    [59, "59 seconds"],
    [60, "About a minute"],
    [119, "About a minute"],
    [120, "2 minutes"],
    [3599, "59 minutes"],
    [3600, "About an hour"],
    [5400, "2 hours"],
    [47 * 3600, "47 hours"],
    [48 * 3600, "2 days"],
    [14 * 86400, "2 weeks"],
    [60 * 86400, "2 months"],
    [365 * 2 * 86400, "2 years"],
  ])("%d s is %s", (seconds, text) => expect(humanDuration(seconds)).toBe(text));
});

describe("values", () => {
  test("bytes", () => {
    expect(["1", "1b", "64m", "1.5GiB", "2kb", "1 g"].map(parseBytes)).toEqual([
      1, 1, 67108864, 1610612736, 2048, 1073741824,
    ]);
    for (const wrong of ["", "x", "-1", "m"]) {
      expect(() => parseBytes(wrong)).toThrow(`invalid size: '${wrong}'`);
    }
    expect(() => parseBytes("1X")).toThrow("invalid suffix: 'x'");
    expect(() => parseBytes("1mm")).toThrow("invalid suffix: 'mm'");
    expect(parseSwapBytes("-1")).toBe(-1);
  });
  test("durations", () => {
    expect(["0", "1s", "1m30s", "1.5h", "-2ms", "3us"].map(parseDuration)).toEqual([
      0, 1e9, 90e9, 5400e9, -2e6, 3000,
    ]);
    expect(() => parseDuration("5")).toThrow('time: missing unit in duration "5"');
    expect(() => parseDuration("5x")).toThrow('time: unknown unit "x" in duration "5x"');
    expect(() => parseDuration("x")).toThrow('time: invalid duration "x"');
  });
  test("cpus", () => {
    expect(["1", "1.5", "0.001", "1/2"].map(parseCpus)).toEqual([1e9, 1.5e9, 1e6, 0.5e9]);
    expect(() => parseCpus("1.0000000001")).toThrow("value is too precise");
  });
  test("times", () => {
    const now = Date.UTC(2026, 0, 1);
    expect(timestamp("10s", now)).toBe("1767225590");
    expect(timestamp("2013-01-02T13:23:37Z")).toBe("1357133017.000000000");
    expect(timestamp("2013-01-02T13:23:37.25+01:00")).toBe("1357129417.250000000");
    expect(timestamp("1357132800.5")).toBe("1357132800.5");
    expect(() => timestamp("yesterday")).toThrow('failed to parse value as time or duration: "yesterday"');
  });
});

test("ports: runs become ranges", () => {
  const tcp = (IP: string, PublicPort: number | undefined, PrivatePort: number) =>
    ({ IP, PublicPort, PrivatePort, Type: "tcp" }) as const;
  expect(displayPorts([])).toBe("");
  expect(
    displayPorts([
      { PrivatePort: 81, Type: "tcp" },
      { PrivatePort: 80, Type: "tcp" },
    ]),
  ).toBe("80-81/tcp");
  expect(displayPorts([tcp("0.0.0.0", 8080, 80), tcp("::", 8080, 80)])).toBe(
    "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
  );
  expect(displayPorts([tcp("0.0.0.0", 80, 80), tcp("0.0.0.0", 81, 81), tcp("0.0.0.0", 83, 83)])).toBe(
    "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp",
  );
});

test("ids, ellipses, quotes", () => {
  expect(shortId("sha256:0123456789abcdef")).toBe("0123456789ab");
  expect(ellipsis("0123456789", 5)).toBe("0123…");
  expect(ellipsis("01234", 5)).toBe("01234");
  expect(quote('a "b"\n\u0001')).toBe('"a \\"b\\"\\n\\x01"');
});
