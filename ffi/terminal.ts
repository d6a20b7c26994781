// A terminal's line discipline: raw and back. man 3 termios (cfmakeraw).
import {
  BRKINT,
  CS8,
  CSIZE,
  ECHO,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNBRK,
  IGNCR,
  INLCR,
  ISIG,
  ISTRIP,
  IXON,
  OPOST,
  PARENB,
  PARMRK,
  TCGETS,
  TCSETS,
  VMIN,
  VTIME,
} from "./constants/termios.ts";
import { type FdLike, fdNumber } from "./fd.ts";
import { syscall } from "./libc.ts";

// The kernel's struct termios: four 32-bit flag words, c_line, then c_cc. (libc's is longer.)
const SIZE = 64;
const CC = 17;

/** Puts the terminal into raw mode. Returns what puts it back; calling that twice is harmless. Throws SyscallError. */
export function makeRaw(tty: FdLike): () => void {
  const before = new Uint8Array(SIZE);
  syscall("ioctl", undefined, fdNumber(tty), TCGETS, before);
  const raw = before.slice();
  const view = new DataView(raw.buffer);
  const clear = (at: number, bits: number, set = 0) =>
    view.setUint32(at, ((view.getUint32(at, true) & ~bits) | set) >>> 0, true);
  clear(0, IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  clear(4, OPOST);
  clear(8, CSIZE | PARENB, CS8);
  clear(12, ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  raw[CC + VMIN] = 1;
  raw[CC + VTIME] = 0;
  syscall("ioctl", undefined, fdNumber(tty), TCSETS, raw);
  let restored = false;
  return () => {
    if (restored) return;
    restored = true;
    syscall("ioctl", undefined, fdNumber(tty), TCSETS, before);
  };
}
