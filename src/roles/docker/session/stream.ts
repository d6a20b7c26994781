// A hijacked connection joined to our own stdin, stdout and stderr.
import { FrameDecoder } from "../../../wire/engine/frames.ts";
import type { Hijacked } from "../../../wire/engine/hijack.ts";
import { write } from "../stdio/output.ts";
import { DEFAULT_KEYS, DetachKeys, parseKeys } from "./detach-keys.ts";

export interface StreamOptions {
  /** The container has a terminal: one raw stream, no frames. */
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Empty: the default keys. They count only with a terminal. */
  detachKeys: string;
}

export type StreamEnd = "ended" | "detached";

async function sendInput(connection: Hijacked, options: StreamOptions): Promise<StreamEnd> {
  const keys = new DetachKeys(options.tty ? parseKeys(options.detachKeys || DEFAULT_KEYS) : []);
  try {
    for await (const chunk of Bun.stdin.stream()) {
      const { bytes, detached } = keys.filter(chunk);
      if (bytes.length > 0 && !(await connection.write(bytes))) return "ended";
      if (detached) return "detached";
    }
  } catch {
    // A terminal that hung up or a closed stdin: the end of input.
  }
  connection.closeWrite();
  return "ended";
}

async function takeOutput(connection: Hijacked, options: StreamOptions): Promise<void> {
  if (options.tty) {
    for await (const chunk of connection.read()) if (options.stdout) await write(1, chunk);
    return;
  }
  const decoder = new FrameDecoder();
  for await (const chunk of connection.read()) {
    for (const { stream, bytes } of decoder.push(chunk)) {
      if (stream === "stderr") {
        if (options.stderr) await write(2, bytes);
      } else if (options.stdout) await write(1, bytes);
    }
  }
}

/** Moves bytes both ways until the engine ends its side (or, with no output wanted, stdin ends), or the keys are typed. */
export async function stream(connection: Hijacked, options: StreamOptions): Promise<StreamEnd> {
  const output = takeOutput(connection, options).then((): StreamEnd => "ended");
  if (!options.stdin) return output;
  const input = sendInput(connection, options);
  // Only the detach keys end a session from the input's side.
  const { promise: detached, resolve } = Promise.withResolvers<StreamEnd>();
  void input.then((end) => {
    if (end === "detached" || (!options.stdout && !options.stderr)) resolve(end);
  });
  const end = await Promise.race([output, detached]);
  if (end === "detached") connection.close();
  output.catch(() => {});
  return end;
}
