// One client's raw connection on a process's streams: output framed or raw, input with detach keys, both with backpressure.
import type { Duplex } from "node:stream";
import type { DetachMatcher } from "./detach-keys.ts";
import { frame, frameHeader, type OutputStream } from "./frame.ts";
import type { Attached, ProcessStreams } from "./process-streams.ts";

export interface AttachOptions {
  streams: ProcessStreams;
  connection: Duplex;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** One stream without frames: the process has a terminal. */
  raw: boolean;
  detach?: DetachMatcher;
  /** The client's half-close (or its going) ends the process's input. */
  inputEnds: boolean;
  /** Called at the end of the input when `inputEnds`. */
  closeInput(): Promise<void>;
}

/** How it ended: the process's output is over, the client let go by its keys, or the client's connection broke. */
export type AttachOutcome = "ended" | "detached" | "gone";

/** Below this a copy costs less than a second write. */
const COPY_LIMIT = 8 * 1024;

class Client implements Attached {
  readonly #wanted: ReadonlySet<OutputStream>;
  #closed = false;
  readonly #over = Promise.withResolvers<void>();

  constructor(
    private readonly connection: Duplex,
    private readonly raw: boolean,
    wanted: readonly OutputStream[],
  ) {
    this.#wanted = new Set(wanted);
    connection.once("close", () => {
      this.#closed = true;
    });
  }

  /** Resolves when the process's output has ended. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  wants(stream: OutputStream): boolean {
    return this.#wanted.has(stream);
  }

  write(stream: OutputStream, chunk: Uint8Array): Promise<void> | undefined {
    if (this.#closed || this.connection.destroyed || this.connection.writableEnded) return undefined;
    return this.#send(stream, chunk) ? undefined : this.#room();
  }

  #send(stream: OutputStream, chunk: Uint8Array): boolean {
    if (this.raw) return this.connection.write(chunk);
    if (chunk.length <= COPY_LIMIT) return this.connection.write(frame(stream, chunk));
    this.connection.write(frameHeader(stream, chunk.length));
    return this.connection.write(chunk);
  }

  #room(): Promise<void> {
    const { connection } = this;
    return new Promise((resolve) => {
      const done = (): void => {
        connection.off("drain", done);
        connection.off("close", done);
        resolve();
      };
      connection.once("drain", done);
      connection.once("close", done);
    });
  }

  end(): void {
    this.#over.resolve();
  }
}

/** Copies the client's bytes to the process. Resolves "detached" by the keys, "ended" at the half-close. */
function copyInput(options: AttachOptions): Promise<"detached" | "ended"> {
  const { connection, streams, detach } = options;
  return new Promise((resolve) => {
    const stop = (how: "detached" | "ended"): void => {
      connection.off("data", onData);
      connection.off("end", onEnd);
      connection.off("close", onEnd);
      resolve(how);
    };
    const onEnd = (): void => stop("ended");
    const onData = (chunk: Buffer): void => {
      const { input, detached } = detach ? detach.push(chunk) : { input: chunk, detached: false };
      connection.pause();
      streams.writeStdin(input).then(
        () => {
          if (detached) stop("detached");
          else connection.resume();
        },
        // The process no longer reads; its output may still come.
        () => connection.resume(),
      );
    };
    connection.on("data", onData);
    connection.once("end", onEnd);
    connection.once("close", onEnd);
    connection.resume();
  });
}

/**
 * Serves one attached client until the process's output has ended, the client lets go, or its connection breaks; then the
 * connection's writing side is ended. Input begins to flow once the process's stdin is there (`ready`).
 */
export async function serveAttach(options: AttachOptions, ready: Promise<void>): Promise<AttachOutcome> {
  const { connection, streams } = options;
  const wanted: OutputStream[] = [];
  if (options.stdout) wanted.push("stdout");
  if (options.stderr && !options.raw) wanted.push("stderr");
  const client = new Client(connection, options.raw, wanted);
  const leave = streams.attach(client);
  const gone = new Promise<AttachOutcome>((resolve) => {
    if (connection.destroyed) resolve("gone");
    else connection.once("close", () => resolve("gone"));
  });
  const ends: Promise<AttachOutcome>[] = [gone, client.over.then(() => "ended" as const)];
  if (options.stdin) {
    const input = ready
      .then(() => copyInput(options))
      .then(async (how): Promise<AttachOutcome> => {
        if (how === "detached") return how;
        if (options.inputEnds) await options.closeInput().catch(() => {});
        // With output attached the end of the input is not the end of the visit.
        return wanted.length === 0 ? "ended" : await new Promise<never>(() => {});
      });
    ends.push(input);
  } else {
    // Nothing is wanted from the client, but its going must be noticed.
    connection.resume();
  }
  const outcome = await Promise.race(ends);
  leave();
  if (outcome !== "gone") {
    connection.end();
    connection.resume();
  }
  return outcome;
}
