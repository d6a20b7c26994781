// A container's output on its way to syslog or journald. The shim writes a bounded file, as for every container, and the engine
// hands its lines on from there: an engine that is down, or a log daemon that is, blocks no container, and `docker logs` works
// as well. What was handed on is remembered by the line's time: after a kill -9 a line may come twice, never not at all.
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { log } from "../../../../observe/log.ts";
import { writeAtomic } from "../../../../store/atomic.ts";
import { type LogLine, readLogBatches } from "../../../../store/jsonlog/index.ts";
import { within } from "../../../../within.ts";
import { ApiError } from "../../errors.ts";
import type { Container } from "../container.ts";
import { type Channel, openChannel, unixgram } from "./channel.ts";
import { journalMessage, severity, syslogMessage, textOf } from "./format.ts";
import { FORWARDING, syslogOptions } from "./options.ts";
import { tagOf } from "./tag.ts";

const JOURNAL = "/run/systemd/journal/socket";
/** A log daemon that takes nothing is tried again after so long. */
const RETRY = 1000;
/** How long the end of a container waits for its log to be handed on. */
const LAST = 10_000;
/** How often the position is written down. */
const REMEMBER = 5000;

/** Where the handing on has come to: the time of a line, and how many lines of that time went. */
interface Position {
  time: string;
  lines: number;
}

interface Destination {
  channel: Channel;
  message(line: LogLine): string | Uint8Array;
}

async function syslog(container: Container): Promise<Destination> {
  const options = syslogOptions(container.host.LogConfig.Config);
  const channel = await openChannel(options.transport);
  const sender = { ...options, hostname: hostname(), tag: tagOf(container), pid: process.pid };
  return { channel, message: (line) => `${syslogMessage(sender, line)}\n` };
}

async function journald(container: Container): Promise<Destination> {
  if (!existsSync(JOURNAL)) throw new Error("journald is not enabled on this host");
  const tag = tagOf(container);
  const fields = {
    CONTAINER_ID: container.shortId,
    CONTAINER_ID_FULL: container.id,
    CONTAINER_NAME: container.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: container.record.Config.Image,
    SYSLOG_IDENTIFIER: tag,
  };
  return {
    channel: unixgram(JOURNAL),
    message: (line) =>
      journalMessage({
        ...fields,
        PRIORITY: String(severity(line.stream)),
        SYSLOG_TIMESTAMP: line.time,
        MESSAGE: textOf(line.line),
      }),
  };
}

export class LogForward {
  readonly #ended = new AbortController();
  readonly #stop = new AbortController();
  #position: Position;
  #done: Promise<void> = Promise.resolve();
  #failed = false;
  #remembered = 0;

  private constructor(
    private readonly container: Container,
    private readonly destination: Destination,
    position: Position,
  ) {
    this.#position = position;
  }

  /** Opens the way of a container's driver; undefined for drivers that hand nothing on. ApiError 500 when there is none. */
  static async open(container: Container): Promise<LogForward | undefined> {
    const driver = container.host.LogConfig.Type;
    if (!FORWARDING.has(driver)) return undefined;
    try {
      const destination = await (driver === "syslog" ? syslog(container) : journald(container));
      return new LogForward(container, destination, readPosition(container));
    } catch (error) {
      throw new ApiError(500, `failed to initialize logging driver: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Begins to hand on, from where the last one came to. */
  begin(): void {
    this.#done = this.#run().catch((error: unknown) => {
      log("error", "container's log is no longer handed on", { container: this.container.id, error });
    });
  }

  async #run(): Promise<void> {
    const { time, lines } = this.#position;
    // Those of the last time that went already come once more, and are left out.
    let skip = time === "" ? 0 : lines;
    const batches = readLogBatches(this.container.logPath, {
      follow: true,
      ...(time === "" ? {} : { since: time }),
      signal: this.#stop.signal,
      ended: this.#ended.signal,
    });
    for await (const batch of batches) {
      for (const line of batch.lines()) {
        if (skip > 0 && line.time === time) {
          skip--;
          continue;
        }
        skip = 0;
        if (!(await this.#send(line))) return;
        this.#passed(line.time);
      }
    }
  }

  /** Tries until it is taken. False when it is to end. */
  async #send(line: LogLine): Promise<boolean> {
    const message = this.destination.message(line);
    while (!this.#stop.signal.aborted) {
      try {
        await this.destination.channel.send(message);
        this.#failed = false;
        return true;
      } catch (error) {
        if (!this.#failed)
          log("error", "container's log cannot be handed on", { container: this.container.id, error });
        this.#failed = true;
        await Bun.sleep(RETRY);
      }
    }
    return false;
  }

  #passed(time: string): void {
    const { time: last, lines } = this.#position;
    this.#position = { time, lines: last === time ? lines + 1 : 1 };
    if (Date.now() - this.#remembered > REMEMBER) this.#remember();
  }

  #remember(): void {
    this.#remembered = Date.now();
    if (this.#position.time === "" || !existsSync(this.container.places.directory)) return;
    try {
      writeAtomic(placeOf(this.container), JSON.stringify(this.#position), { durable: false });
    } catch (error) {
      log("warning", "the place in a container's log cannot be kept", {
        container: this.container.id,
        error,
      });
    }
  }

  /** The container has ended and its log is whole: the rest is handed on, unless the log daemon takes nothing for a while. */
  async finish(): Promise<void> {
    this.#ended.abort();
    await within(LAST, this.#done);
    this.close();
  }

  /** Ends it where it is; a later one goes on from there. */
  close(): void {
    this.#stop.abort();
    this.#remember();
    this.destination.channel.close();
  }
}

const placeOf = (container: Container): string => container.file("log-forward.json");

function readPosition(container: Container): Position {
  try {
    const { time, lines } = JSON.parse(readFileSync(placeOf(container), "utf8")) as Partial<Position>;
    if (typeof time === "string" && typeof lines === "number") return { time, lines };
  } catch {
    // None yet.
  }
  return { time: "", lines: 0 };
}
