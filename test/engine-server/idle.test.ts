// An engine at rest gives memory back: which mappings may be dropped, and when.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { droppable, giveBack } from "../../ffi/give-back.ts";
import { Idleness } from "../../src/roles/engine/idle.ts";
import { until } from "../support/process.ts";

const mapping = (range: string, rights: string, path: string, anonymous: number) =>
  `${range} ${rights} 00000000 fe:00 5391418                            ${path}
Size:              24804 kB
Rss:                6500 kB
Private_Dirty:         0 kB
Anonymous:      ${String(anonymous).padStart(8)} kB
VmFlags: rd mr mw me sd`;

test("only pages of the executable that nobody writes, or ever wrote", () => {
  const smaps = [
    mapping("00200000-01a39000", "r--p", "/usr/bin/bunker", 0),
    mapping("01a40000-0684a000", "r-xp", "/usr/bin/bunker", 0),
    mapping("0684a000-0685f000", "rw-p", "/usr/bin/bunker", 60),
    mapping("0685f000-06867000", "r--p", "/usr/bin/bunker", 12),
    mapping("06867000-075c0000", "rw-p", "/usr/bin/bunker", 0),
    mapping("7f0000000000-7f0000001000", "r-xp", "/usr/lib/libc.so.6", 0),
    mapping("7f0000002000-7f0000003000", "r-xp", "", 0),
  ].join("\n");
  expect(droppable(smaps, "/usr/bin/bunker")).toEqual([
    { start: 0x200000, length: 0x1839000 },
    { start: 0x1a40000, length: 0x4e0a000 },
  ]);
});

test("this very process lives on after it", async () => {
  const executable = () => droppable(readFileSync("/proc/self/smaps", "latin1"), process.execPath).length;
  expect(executable()).toBeGreaterThan(0);
  giveBack();
  expect(JSON.parse('{"a":[1,2,3]}')).toEqual({ a: [1, 2, 3] });
});

test("once after the last work, and again after the next", async () => {
  let rests = 0;
  const idleness = new Idleness(() => rests++, 20);
  for (let i = 0; i < 3; i++) idleness.touch();
  await until("a rest", () => rests === 1);
  idleness.touch();
  await until("another one", () => rests === 2);
});
