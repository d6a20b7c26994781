// What the plan, the assembler and the loops agree on: where things lie in memory and in a record.

/** The loop's segment (read, execute). */
export const TEXT = 0x400000;
/** The head and the records (read, write). */
export const HEAD_ADDRESS = 0x500000;
/** The data pool (read, write): after the ELF header and the loop in the file, at the same distance in memory. */
export const POOL_OFFSET = 0x400;
export const POOL_ADDRESS = 0x600000 + POOL_OFFSET;

/** Byte offsets within the head; the records follow it. */
export const HEAD = {
  /** {u32 address of the record, u32 errno}: what is written to the report descriptor. */
  report: 0,
  reportFd: 8,
  exitCode: 12,
  /** The stack pointer at entry: argc, argv, envp lie there. */
  stack: 16,
  size: 24,
} as const;

export const FIRST_RECORD = HEAD_ADDRESS + HEAD.size;

/** Byte offsets within a record. A jump of 0 goes to the next record, a result address of 0 drops the result. */
export const RECORD = {
  nr: 0,
  args: 8,
  tolerate: 56,
  references: 64,
  into: 68,
  ok: 72,
  zero: 76,
  fail: 80,
  size: 88,
} as const;
