// Our terminal while a container's is joined to it: raw keys, and its size passed on.
import type { EngineClient } from "../../../wire/engine/client.ts";

// Loaded when a terminal is asked for: most starts of the client are without one.
const lineDiscipline = () =>
  require("../../../../ffi/terminal.ts") as typeof import("../../../../ffi/terminal.ts");

/** Throws when a terminal is needed on stdin and there is none. */
export function checkTty(attachStdin: boolean, tty: boolean): void {
  if (attachStdin && tty && !lineDiscipline().isatty(0)) throw new Error("the input device is not a TTY");
}

/** [rows, columns] of our terminal; undefined when stdout is none. */
export function terminalSize(): [number, number] | undefined {
  if (!lineDiscipline().isatty(1)) return undefined;
  const { windowSize } = require("../../../../ffi/pty.ts") as typeof import("../../../../ffi/pty.ts");
  try {
    const { rows, columns } = windowSize(1);
    return rows === 0 && columns === 0 ? undefined : [rows, columns];
  } catch {
    return undefined;
  }
}

/** Raw mode on stdin, if it is a terminal. The result puts it back; so does the process's end, whatever its cause. */
export function rawInput(): () => void {
  const { isatty, makeRaw } = lineDiscipline();
  if (!isatty(0)) return () => {};
  const back = makeRaw(0);
  const restore = () => {
    try {
      back();
    } catch {
      // The terminal is gone; nothing is left to put right.
    }
  };
  const end = () => {
    restore();
    process.exit(143);
  };
  process.on("exit", restore);
  process.on("SIGTERM", end);
  process.on("SIGHUP", end);
  return () => {
    restore();
    process.off("exit", restore);
    process.off("SIGTERM", end);
    process.off("SIGHUP", end);
  };
}

/** Tells the engine our terminal's size, now and at every change. `path`: "/containers/ID" or "/exec/ID". `redraw`: the process
 * has been running for a while and shall show its screen again. */
export function followSize(client: EngineClient, path: string, redraw = false): () => void {
  const tell = async (more = 0): Promise<boolean> => {
    const size = terminalSize();
    if (!size) return true;
    try {
      await client.done("POST", `${path}/resize`, { query: { h: size[0] + more, w: size[1] + more } });
      return true;
    } catch {
      return false;
    }
  };
  // The process may be a moment from its start: the engine refuses until then.
  const first = async () => {
    // A program draws its screen anew only when the size changes.
    if (redraw) await tell(1);
    for (let attempt = 1; attempt <= 10 && !(await tell()); attempt++) await Bun.sleep(10 * attempt);
  };
  void first();
  const changed = () => void tell();
  process.on("SIGWINCH", changed);
  return () => process.off("SIGWINCH", changed);
}
