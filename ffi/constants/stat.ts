// man 2 statx, utimensat; man 7 xattr.
export const headers = ["sys/stat.h", "linux/stat.h", "sys/xattr.h"] as const;

export const STATX_BASIC_STATS = 0x7ff;

export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;
