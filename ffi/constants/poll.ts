// man 2 poll, waitid, eventfd, inotify.
export const headers = ["poll.h", "sys/wait.h", "sys/eventfd.h", "sys/inotify.h"] as const;

export const POLLIN = 1;
export const P_ALL = 0;
export const WEXITED = 4;
export const WNOWAIT = 0x1000000;
export const EFD_CLOEXEC = 0o2000000;
export const EFD_NONBLOCK = 0o4000;
export const IN_MODIFY = 2;
export const IN_CLOEXEC = 0o2000000;
export const IN_NONBLOCK = 0o4000;
