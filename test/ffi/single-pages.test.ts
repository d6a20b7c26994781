// A fault brings one page where the kernel can be told so, and what lies there is the same.

import { read } from "bun:ffi";
import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MADV_DONTNEED, MAP_PRIVATE, PROT_READ } from "../../ffi/constants/mman.ts";
import { syscall } from "../../ffi/libc.ts";
import { faultSinglePages } from "../../ffi/single-pages.ts";

const PAGE = 4096;
const PAGES = 64;
const directory = mkdtempSync(join(tmpdir(), "bunker-pages-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** How much of the mapping that begins at `start` is there, in KiB. */
function resident(start: number): number {
  const smaps = readFileSync("/proc/self/smaps", "latin1");
  const at = smaps.search(new RegExp(`^0*${start.toString(16)}-`, "m"));
  return Number(/^Rss:\s+(\d+)/m.exec(smaps.slice(at))![1]);
}

test("one page a touch, the bytes of the file; dropped and touched again", () => {
  const path = join(directory, "file");
  writeFileSync(path, Buffer.alloc(PAGES * PAGE, 7));
  const fd = openSync(path, "r");
  const start = syscall("mmap", path, 0, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  closeSync(fd);
  try {
    const single = faultSinglePages([{ start, length: PAGES * PAGE }]);
    for (let round = 0; round < 2; round++) {
      expect(read.u8(start as never, 20 * PAGE)).toBe(7);
      expect(read.u8(start as never, 40 * PAGE)).toBe(7);
      // A kernel that cannot, or may not, has more there.
      if (single) expect(resident(start)).toBe(8);
      syscall("madvise", path, start, PAGES * PAGE, MADV_DONTNEED);
      expect(resident(start)).toBe(0);
    }
  } finally {
    syscall("munmap", path, start, PAGES * PAGE);
  }
});

test("a part of the address space where nothing is: refused, and nothing is left open", () => {
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  expect(faultSinglePages([{ start: PAGE, length: PAGE }])).toBe(false);
  expect(open()).toBe(before);
});
