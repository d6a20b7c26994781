// man 2 umount. Apart from mount.ts: glibc's sys/mount.h and linux/mount.h do not go together in one C file.
export const headers = ["sys/mount.h"] as const;

export const MNT_DETACH = 2;
