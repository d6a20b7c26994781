// `run -t` and `exec -t` in the foreground: the caller's terminal in raw mode, tied to the container's pty.

import { NR } from "../../../../ffi/arch/index.ts";
import { F_GETFL, F_SETFL, O_NONBLOCK, O_RDWR } from "../../../../ffi/constants/fcntl.ts";
import { TCGETS, TCSETS } from "../../../../ffi/constants/tty.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../../../ffi/constants/unix.ts";
import { ERRNO, errnoText, SyscallError } from "../../../../ffi/errno.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { open, write } from "../../../../ffi/file.ts";
import { rawSyscall, syscall } from "../../../../ffi/libc.ts";
import { setWindowSize, windowSize } from "../../../../ffi/pty.ts";
import { receiveFds } from "../../../../ffi/socket.ts";
import { RuntimeError } from "../errors.ts";

export interface TerminalEnd {
  /** Copies the caller's window size. */
  resize(): void;
  /** Gives the caller's terminal back, after the last output was shown. */
  finish(): Promise<void>;
}

export interface OwnTerminal {
  /** The launcher's end of the socket that the master comes over. */
  remote: Fd;
  /** Takes the master and starts relaying. */
  attach(): TerminalEnd;
}

/** Throws when this process has no terminal at all: there would be nothing to tie the container's to. */
export function openTerminal(): OwnTerminal {
  const tty = callersTerminal();
  const pair = new Int32Array(2);
  syscall("socketpair", "console", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
  const local = new Fd(pair[0]!, "console");
  const remote = new Fd(pair[1]!, "console");
  return {
    remote,
    attach() {
      const received = receiveFds(local);
      local.close();
      const master = received?.fds[0];
      if (!master) throw new Error("the container sent no console");
      return relay(master, tty);
    },
  };
}

/** Which of stdio is a terminal, or the controlling one. */
function callersTerminal(): number {
  const settings = new Uint8Array(64);
  const own = [0, 1, 2].find((fd) => rawSyscall(NR.ioctl, fd, TCGETS, settings) === 0);
  if (own !== undefined) return own;
  try {
    return open("/dev/tty", O_RDWR).release();
  } catch (error) {
    throw new RuntimeError(
      `open /dev/tty: ${error instanceof SyscallError ? errnoText(error.errno) : error}`,
    );
  }
}

function relay(master: Fd, tty: number): TerminalEnd {
  const flags = syscall("fcntl", "console", master.number, F_GETFL, 0);
  syscall("fcntl", "console", master.number, F_SETFL, flags | O_NONBLOCK);
  const restore = rawMode(tty);
  const resize = () => {
    try {
      const { columns, rows } = windowSize(tty);
      setWindowSize(master, columns, rows);
    } catch {
      // stdin is no terminal, or the container has just ended.
    }
  };
  resize();
  let ended = false;
  const stdin = pumpIn(master, () => ended);
  const output = pumpOut(master);
  return {
    resize,
    async finish() {
      await output;
      ended = true;
      stdin.stop();
      restore();
      master.close();
    },
  };
}

/** Everything the container writes, until hang-up, which a master reports as EIO. */
async function pumpOut(master: Fd): Promise<void> {
  try {
    for await (const chunk of Bun.file(master.number).stream()) {
      for (let at = 0; at < chunk.length; ) {
        const result = rawSyscall(NR.write, 1, chunk.subarray(at), chunk.length - at);
        if (result >= 0) at += result;
        else if (result === -ERRNO["EAGAIN"]!) await Bun.sleep(1);
        else if (result !== -ERRNO["EINTR"]!) return;
      }
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "EIO") throw error;
  }
}

/** Everything typed here, and at its end the terminal's own end-of-file character. */
function pumpIn(master: Fd, ended: () => boolean): { stop(): void } {
  const reader = Bun.stdin.stream().getReader();
  const VEOF = new Uint8Array([4]);
  const send = async (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length && !ended(); ) {
      try {
        at += write(master, bytes.subarray(at));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") return;
        await Bun.sleep(1);
      }
    }
  };
  void (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (ended()) return;
      if (done) return send(VEOF);
      await send(value);
    }
  })().catch(() => {});
  return {
    stop: () => {
      void reader.cancel().catch(() => {});
    },
  };
}

/** Puts a terminal in raw mode; returns what restores it. Does nothing where there is no terminal. man 3 cfmakeraw */
function rawMode(fd: number): () => void {
  // struct termios of the kernel: iflag, oflag, cflag, lflag (u32 each), line, cc[19].
  const saved = new Uint8Array(36);
  if (rawSyscall(NR.ioctl, fd, TCGETS, saved) < 0) return () => {};
  const raw = saved.slice();
  const view = new DataView(raw.buffer);
  const [IFLAG, CFLAG, LFLAG] = [0, 8, 12] as const;
  const clear = (offset: number, mask: number) =>
    view.setUint32(offset, view.getUint32(offset, true) & ~mask, true);
  clear(IFLAG, 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000); // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
  clear(LFLAG, 0o10 | 0o100 | 0o2 | 0o1 | 0o100000); // ECHO ECHONL ICANON ISIG IEXTEN
  clear(CFLAG, 0o60 | 0o400); // CSIZE PARENB
  view.setUint32(CFLAG, view.getUint32(CFLAG, true) | 0o60, true); // CS8
  raw[17 + 6] = 1; // VMIN
  raw[17 + 5] = 0; // VTIME
  rawSyscall(NR.ioctl, fd, TCSETS, raw);
  return () => {
    rawSyscall(NR.ioctl, fd, TCSETS, saved);
  };
}
