// man 2 wait4, prctl, clock_gettime.
export const headers = ["sys/wait.h", "linux/prctl.h", "time.h"] as const;

export const WNOHANG = 1;
export const PR_SET_CHILD_SUBREAPER = 36;
export const CLOCK_REALTIME = 0;
