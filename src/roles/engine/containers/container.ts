// One container in memory: what is on disk of it, its mailbox, its streams, and the run that is under way.
import { join } from "node:path";
import type { HostConfig } from "../../../spec/engine/host-config.ts";
import { ProcessStreams } from "../streams/process-streams.ts";
import type { LogForward } from "./log-forward/forward.ts";
import { FORWARDING } from "./log-forward/options.ts";
import { Mailbox } from "./mailbox.ts";
import type { ContainerRecord } from "./record.ts";
import { State } from "./state.ts";

/** Where the parts of a container lie. */
export interface Places {
  /** `<data-root>/containers/<id>` */
  directory: string;
  /** `<exec-root>/libcontainerd/<id>`: FIFOs, and containerd's bundle when it runs in this process. */
  bundle: string;
}

export class Container {
  readonly state: State;
  readonly mailbox = new Mailbox();
  /** The streams of this run, or of the next one while none is under way. */
  streams: ProcessStreams;
  /** Counts runs: news of an earlier run's end must not end a later one. */
  run = 0;
  /** Resolves when the last run's task is deleted and its streams are closed. */
  released: Promise<void> = Promise.resolve();
  /** Ends the wait before the next restart. */
  restart: { cancel(): void } | undefined;
  /** The watch over its health, while there is one. */
  health: { stop(): void } | undefined;
  /** Hands the log on, while a run with such a driver is under way. */
  forward: LogForward | undefined;
  /** Restarts in a row: makes the wait longer. */
  failures = 0;
  /** The process saw an out-of-memory kill (an event of its own, before the exit). */
  oomKilled = false;
  /** Asked to stop: no restart policy acts on this exit. */
  stopping = false;
  readonly execIds = new Set<string>();
  /** Resolves "stdin is there" for clients that came before the start. */
  #ready = Promise.withResolvers<void>();

  constructor(
    readonly record: ContainerRecord,
    public host: HostConfig,
    readonly places: Places,
  ) {
    this.state = new State(record.State);
    this.streams = this.#newStreams();
  }

  get id(): string {
    return this.record.ID;
  }

  /** Without the leading slash. */
  get name(): string {
    return this.record.Name.slice(1);
  }

  get shortId(): string {
    return this.id.slice(0, 12);
  }

  get logs(): boolean {
    return this.logPath !== "";
  }

  /**
   * Where the log is; "" for a driver that keeps none. The local driver's has the json-file's format, too, and so has what is
   * kept of output that is handed on.
   */
  get logPath(): string {
    const { Type } = this.host.LogConfig;
    if (Type === "local") return this.file("local-logs/container.log");
    if (FORWARDING.has(Type)) return this.file("container-cached.log");
    return this.record.LogPath;
  }

  #newStreams(): ProcessStreams {
    const { Config } = this.record;
    return new ProcessStreams({
      directory: this.places.bundle,
      prefix: "init",
      terminal: Config.Tty,
      stdin: Config.OpenStdin,
      stdout: true,
      stderr: true,
      // Without a log the shim has no other reader for the output than us.
      alwaysRead: !this.logs,
    });
  }

  /** Resolves when input can be written. */
  get stdinReady(): Promise<void> {
    return this.#ready.promise;
  }

  streamsOpened(): void {
    this.#ready.resolve();
  }

  /** The run is over: those who attach from now on wait for the next one. */
  takeStreams(): ProcessStreams {
    const { streams } = this;
    this.streams = this.#newStreams();
    this.#ready = Promise.withResolvers<void>();
    return streams;
  }

  file(name: string): string {
    return join(this.places.directory, name);
  }

  /** Attributes of this container's events. */
  eventAttributes(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      ...(this.record.Config.Labels ?? {}),
      image: this.record.Config.Image,
      name: this.name,
      ...extra,
    };
  }

  /** The mode of one of the namespaces that HostConfig names: "", "private", "shareable", "host", "container:ID". */
  joins(mode: string): { container: string } | undefined {
    return mode.startsWith("container:") ? { container: mode.slice("container:".length) } : undefined;
  }
}
