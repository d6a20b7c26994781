// Asking a person: a line, and a secret that is not echoed.
import { hideEcho, isatty } from "../../../../ffi/terminal.ts";
import { writeText } from "../stdio/output.ts";

let pending = "";
let source: AsyncIterator<Uint8Array> | undefined;

/** One line of stdin without its end; what follows is kept for the next. */
export async function readLine(): Promise<string> {
  source ??= Bun.stdin.stream()[Symbol.asyncIterator]();
  const decoder = new TextDecoder();
  for (;;) {
    const end = pending.indexOf("\n");
    if (end >= 0) {
      const line = pending.slice(0, end);
      pending = pending.slice(end + 1);
      return line.replace(/\r$/, "");
    }
    const { value, done } = await source.next();
    if (done) {
      const line = pending;
      pending = "";
      return line;
    }
    pending += decoder.decode(value, { stream: true });
  }
}

/** Shows `question`, reads a line. `secret`: without showing what is typed. */
export async function ask(question: string, secret = false): Promise<string> {
  writeText(1, question);
  const back = secret && isatty(0) ? hideEcho(0) : () => {};
  process.on("exit", back);
  try {
    return (await readLine()).trim();
  } finally {
    back();
    process.off("exit", back);
    if (secret) writeText(1, "\n");
  }
}
