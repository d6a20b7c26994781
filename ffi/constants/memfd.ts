// man 2 memfd_create.
export const headers = ["linux/memfd.h"] as const;

export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
