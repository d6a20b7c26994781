// Chance that repeats with its seed, and the odd values that requests are made of.

export interface Dice {
  /** A whole number from 0 to n - 1. */
  roll(n: number): number;
  /** True once in n times. */
  once(n: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** The mulberry32 generator: neighbouring seeds give unlike numbers. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const roll = (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * n);
  };
  return { roll, once: (n) => roll(n) === 0, pick: (from) => from[roll(from.length)]! };
}

/** Texts that parsers stumble over. */
export const TEXTS: readonly string[] = [
  "",
  " ",
  "0",
  "-1",
  "1",
  "true",
  "null",
  "x",
  "a".repeat(300),
  "b".repeat(70_000),
  "../../etc/passwd",
  "/",
  "//",
  "/etc",
  ".",
  "..",
  "\u0000",
  "a\u0000b",
  "a\nb\r\nc",
  "\ud800",
  "ﬀ\u202e𝒳",
  "%00",
  "%zz",
  "%2e%2e%2f",
  "a=b",
  "=",
  "a:b:c",
  ":",
  "::1",
  "127.0.0.1/8",
  "fd00::/64",
  "80/tcp",
  "99999/udp",
  "80-90/x",
  "1e999",
  "NaN",
  "0x10",
  "9223372036854775808",
  "1700000000.5",
  "2024-01-01T00:00:00Z",
  "2024-99-99",
  "container:nothing",
  "container:",
  "host",
  "none",
  "bridge",
  "private",
  "default",
  "json-file",
  "no-such-driver",
  "sha256:0000",
  `sha256:${"0".repeat(64)}`,
  "Busybox:!!",
  "127.0.0.1:1/x:y",
  "__proto__",
  "constructor",
  "*",
  "[",
  "(a+)+$",
  "{}",
  "[]",
  '{"label":["a=b"]}',
  '{"label":{"a":true}}',
  '{"status":["never"]}',
  '{"until":["x"]}',
  "{",
  "-9999999999999999999999",
];

/** A JSON value of whatever type. */
export function junk(chance: Dice, depth = 3): unknown {
  switch (chance.roll(depth > 0 ? 12 : 9)) {
    case 0:
      return null;
    case 1:
      return chance.once(2);
    case 2:
      return chance.pick([0, -1, 1, 0.5, -0.5, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), 1e308, 1e-308]);
    case 3:
      return [];
    case 4:
      return {};
    case 9:
      return Array.from({ length: 1 + chance.roll(4) }, () => junk(chance, depth - 1));
    case 10:
    case 11:
      return Object.fromEntries(
        Array.from({ length: 1 + chance.roll(4) }, () => [chance.pick(TEXTS), junk(chance, depth - 1)]),
      );
    default:
      return chance.pick(TEXTS);
  }
}
