// One process more in a running container: made, started once, and remembered until its exit code was asked for.
import type { ExecCreate, ExecInspect } from "../../../spec/engine/exec.ts";
import type { Container } from "../containers/container.ts";
import { ProcessStreams } from "../streams/process-streams.ts";

/** Exit code of an exec whose end nobody saw. */
const LOST_EXIT_CODE = 137;

export class Exec {
  running = false;
  startedOnce = false;
  exitCode: number | null = null;
  pid = 0;
  streams: ProcessStreams | undefined;
  readonly #finished = Promise.withResolvers<number>();
  readonly #ended = Promise.withResolvers<number>();
  readonly #ready = Promise.withResolvers<void>();

  constructor(
    readonly id: string,
    readonly container: Container,
    readonly config: ExecCreate,
  ) {}

  /** Resolves with the exit code. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Resolves with the exit code once all output was handed on. */
  get finished(): Promise<number> {
    return this.#finished.promise;
  }

  settled(): void {
    this.#finished.resolve(this.exitCode ?? LOST_EXIT_CODE);
  }

  get stdinReady(): Promise<void> {
    return this.#ready.promise;
  }

  opened(): void {
    this.#ready.resolve();
  }

  /** Makes the streams that a start needs; a detached one has none. */
  makeStreams(
    attached: { stdin: boolean; stdout: boolean; stderr: boolean },
    terminal: boolean,
  ): ProcessStreams {
    this.streams = new ProcessStreams({
      directory: this.container.places.bundle,
      prefix: this.id,
      terminal,
      ...attached,
      // Nobody else reads what an exec writes, and a full pipe would stop it.
      alwaysRead: true,
    });
    return this.streams;
  }

  exited(exitCode: number): void {
    if (!this.running || this.exitCode !== null) return;
    this.exitCode = exitCode;
    this.#ended.resolve(exitCode);
  }

  containerEnded(): void {
    this.exited(LOST_EXIT_CODE);
  }

  inspect(): ExecInspect {
    const { config } = this;
    const [entrypoint = "", ...words] = config.Cmd ?? [];
    return {
      ID: this.id,
      Running: this.running,
      ExitCode: this.exitCode,
      ProcessConfig: {
        tty: config.Tty,
        entrypoint,
        arguments: words,
        privileged: config.Privileged,
        ...(config.User === "" ? {} : { user: config.User }),
      },
      OpenStdin: config.AttachStdin,
      OpenStderr: config.AttachStderr,
      OpenStdout: config.AttachStdout,
      CanRemove: this.exitCode !== null,
      ContainerID: this.container.id,
      DetachKeys: config.DetachKeys,
      Pid: this.running || this.exitCode !== null ? this.pid : 0,
    };
  }
}
