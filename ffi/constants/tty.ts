// man 2 ioctl_tty.
export const headers = ["sys/ioctl.h", "asm/ioctls.h"] as const;

export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
