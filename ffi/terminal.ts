// A terminal's line discipline: raw and back. man 3 termios (cfmakeraw).
import { NR } from "./arch/index.ts";
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
import { rawSyscall, syscall } from "./libc.ts";

// The kernel's struct termios: four 32-bit flag words, c_line, then c_cc. (libc's is longer.)
const SIZE = 64;
const CC = 17;

/** Changes the terminal's settings. Returns what puts them back; calling that twice is harmless. Throws SyscallError. */
function changed(tty: FdLike, change: (settings: Uint8Array, view: DataView) => void): () => void {
  const before = new Uint8Array(SIZE);
  syscall("ioctl", undefined, fdNumber(tty), TCGETS, before);
  const after = before.slice();
  change(after, new DataView(after.buffer));
  syscall("ioctl", undefined, fdNumber(tty), TCSETS, after);
  let restored = false;
  return () => {
    if (restored) return;
    restored = true;
    syscall("ioctl", undefined, fdNumber(tty), TCSETS, before);
  };
}

const clear = (view: DataView, at: number, bits: number, set = 0) =>
  view.setUint32(at, ((view.getUint32(at, true) & ~bits) | set) >>> 0, true);

/** Puts the terminal into raw mode. Returns what puts it back. Throws SyscallError. */
export function makeRaw(tty: FdLike): () => void {
  return changed(tty, (raw, view) => {
    clear(view, 0, IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    clear(view, 4, OPOST);
    clear(view, 8, CSIZE | PARENB, CS8);
    clear(view, 12, ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw[CC + VMIN] = 1;
    raw[CC + VTIME] = 0;
  });
}

/** What is typed is not shown (passwords). Returns what puts the echo back. Throws SyscallError. */
export function hideEcho(tty: FdLike): () => void {
  return changed(tty, (_settings, view) => clear(view, 12, ECHO));
}

/** Whether the descriptor is a terminal. Own, because node:tty brings node:net with it, which costs a client's start 2 ms. */
export function isatty(fd: number): boolean {
  return rawSyscall(NR.ioctl, fd, TCGETS, new Uint8Array(SIZE)) === 0;
}
