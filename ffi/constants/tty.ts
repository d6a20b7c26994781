// man 2 ioctl_tty.
export const headers = ["sys/ioctl.h", "asm/ioctls.h"] as const;

export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCSCTTY = 0x540e;
export const TIOCGPTN = 0x80045430;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTPEER = 0x5441;
export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
