// man 7 signal, man 2 rt_sigprocmask, signalfd.
export const headers = ["signal.h", "sys/signalfd.h"] as const;

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGPIPE = 13;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;
export const SFD_CLOEXEC = 0o2000000;
