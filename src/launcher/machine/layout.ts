// What the loop (x64.ts, arm64.ts) and the assembler (elf.ts) agree on: where things lie in a record and in memory.

/** Byte offsets within a record. */
export const RECORD = {
  nr: 0,
  args: 8,
  tolerate: 56,
  references: 64,
  index: 68,
  into: 72,
  ok: 76,
  zero: 80,
  fail: 84,
  size: 88,
} as const;

/** Byte offsets within the head of the data segment; the records follow it. */
export const HEAD = {
  /** {u32 record index, u32 errno}: what is written to the report descriptor. */
  report: 0,
  reportFd: 8,
  exitCode: 12,
  /** The stack pointer at entry: argc, argv, envp lie there. */
  stack: 16,
  size: 24,
} as const;

/** What a loop needs to know when it is emitted. */
export interface LoopParameters {
  /** Address of the data segment's head. */
  head: number;
  /** Address of the first record. */
  first: number;
}
