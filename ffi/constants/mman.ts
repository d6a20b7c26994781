// man 2 mmap, mprotect, madvise.
export const headers = ["sys/mman.h"] as const;

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_PRIVATE = 2;
export const MAP_ANONYMOUS = 0x20;
export const MADV_DONTNEED = 4;
