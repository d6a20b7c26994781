// Placeholder while the assembler lands; see compileFilter.
export interface Filter {
  /** struct sock_filter[] */
  bytes: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* */
  flags: number;
}
