// flock(2)'s operations.
export const headers = ["sys/file.h"] as const;

export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;
