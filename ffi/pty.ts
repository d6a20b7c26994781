// A terminal's size. man 2 ioctl_tty, TIOCSWINSZ.
import { TIOCGWINSZ, TIOCSWINSZ } from "./constants/tty.ts";
import { type FdLike, fdNumber } from "./fd.ts";
import { syscall } from "./libc.ts";
import { layout, pack } from "./struct.ts";

const WinSize = layout({
  c: "struct winsize",
  header: "sys/ioctl.h",
  size: 8,
  // Halves of 16 bits; written as bytes since no layout type has two.
  fields: {},
});

/** Sets the size of a pty by its master; the foreground process group gets SIGWINCH. */
export function setWindowSize(master: FdLike, columns: number, rows: number): void {
  const size = pack(WinSize, {});
  const view = new DataView(size.buffer);
  view.setUint16(0, Math.min(rows, 0xffff), true);
  view.setUint16(2, Math.min(columns, 0xffff), true);
  syscall("ioctl", undefined, fdNumber(master), TIOCSWINSZ, size);
}

export function windowSize(tty: FdLike): { columns: number; rows: number } {
  const size = pack(WinSize, {});
  syscall("ioctl", undefined, fdNumber(tty), TIOCGWINSZ, size);
  const view = new DataView(size.buffer);
  return { rows: view.getUint16(0, true), columns: view.getUint16(2, true) };
}
