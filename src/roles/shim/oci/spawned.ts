// The OCI runtime's command line, as containerd's go-runc calls it. runtime-tools docs/command-line-interface.md.
import { readText, removeFile, writeText } from "../../../../ffi/path.ts";
import { childEnvironment, selfCommand } from "../../../self.ts";
import type { CreateCall, StdioFds } from "../../../wire/oci/resident.ts";
import type { Exits } from "../exits.ts";
import { type NamedExecCall, type OciOptions, type OciRuntime, RuntimeError } from "./runtime.ts";

const SELF = "/proc/self/exe";

/** The pid that a runtime wrote. Throws when it wrote none. */
function readPid(path: string): number {
  const text = readText(path);
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid <= 0)
    throw new Error(`${path}: the runtime wrote no pid but ${JSON.stringify(text)}`);
  return pid;
}

const consoleFlag = (socket: string | undefined) => (socket ? ["--console-socket", socket] : []);

export class SpawnedRuntime implements OciRuntime {
  #log: string;

  constructor(
    private readonly options: OciOptions,
    private readonly exits: Exits,
  ) {
    this.#log = `${options.bundle}/log.json`;
  }

  #command(): { cmd: string[]; argv0?: string } {
    const { binary, root, systemdCgroup } = this.options;
    const { cmd, argv0 } = binary === "" ? selfCommand("runc") : { cmd: [binary], argv0: undefined };
    const global = ["--root", root, "--log", this.#log, "--log-format", "json"];
    return { cmd: [...cmd, ...global, ...(systemdCgroup ? ["--systemd-cgroup"] : [])], argv0 };
  }

  async create({
    id,
    bundle,
    pidFile,
    consoleSocket,
    noPivot,
    noNewKeyring,
    stdio,
  }: CreateCall): Promise<number> {
    removeFile(this.#log);
    await this.#run(
      [
        ...["create", "--bundle", bundle, "--pid-file", pidFile, ...consoleFlag(consoleSocket)],
        ...[...(noPivot ? ["--no-pivot"] : []), ...(noNewKeyring ? ["--no-new-keyring"] : []), id],
      ],
      stdio,
    );
    return readPid(pidFile);
  }

  async start(id: string): Promise<void> {
    removeFile(this.#log);
    await this.#run(["start", id]);
  }

  async exec({ id, execId, process, stdio, consoleSocket }: NamedExecCall): Promise<number> {
    const { bundle } = this.options;
    const pidFile = `${bundle}/${execId}.pid`;
    const specFile = `${bundle}/${execId}-process.json`;
    removeFile(this.#log);
    try {
      writeText(specFile, process, { mode: 0o600 });
      const files = ["--process", specFile, "--pid-file", pidFile];
      await this.#run(["exec", ...files, "--detach", ...consoleFlag(consoleSocket), id], stdio);
      return readPid(pidFile);
    } finally {
      removeFile(specFile);
      removeFile(pidFile);
    }
  }

  kill(id: string, signal: number, all: boolean): Promise<void> {
    return this.#run(["kill", ...(all ? ["--all"] : []), id, String(signal)]);
  }

  delete(id: string, force: boolean): Promise<void> {
    return this.#run(["delete", ...(force ? ["--force"] : []), id]);
  }

  pause(id: string): Promise<void> {
    return this.#run(["pause", id]);
  }

  resume(id: string): Promise<void> {
    return this.#run(["resume", id]);
  }

  async update(id: string, resources: Uint8Array): Promise<void> {
    const file = `${this.options.bundle}/update.json`;
    writeText(file, resources, { mode: 0o600 });
    try {
      await this.#run(["update", "--resources", file, id]);
    } finally {
      removeFile(file);
    }
  }

  /** Runs one command to its end. `stdio`: what the container's process gets. Throws RuntimeError with the runtime's own words. */
  async #run(args: readonly string[], stdio?: StdioFds): Promise<void> {
    const { cmd, argv0 } = this.#command();
    const what = `${this.options.binary || "runc"} ${args[0]}`;
    await this.exits.during(async () => {
      let child: ReturnType<typeof Bun.spawn>;
      const options = {
        argv0,
        cwd: this.options.bundle,
        env: childEnvironment(),
        stdin: stdio?.[0] ?? "ignore",
        stdout: stdio?.[1] ?? "ignore",
        stderr: stdio?.[2] ?? "pipe",
      } as const;
      try {
        child = Bun.spawn([...cmd, ...args], options);
      } catch (error) {
        if (this.options.binary !== "")
          throw new RuntimeError(`cannot run ${cmd[0]}: ${(error as Error).message}`, { cause: error });
        // Our executable was taken away, or is being replaced: the one that runs here still knows how.
        child = Bun.spawn([SELF, ...cmd.slice(1), ...args], options);
      }
      const text = stdio ? "" : await new Response(child.stderr as ReadableStream).text();
      // When our own wait4(-1) was faster than Bun's, Bun fails with ECHILD and ours has the true status.
      const ended = await child.exited.catch((error: unknown) => error as Error);
      const status = this.exits.take(child.pid)?.exitStatus ?? ended;
      if (typeof status !== "number")
        throw new RuntimeError(`${what}: its end was missed: ${status.message}`, { cause: status });
      if (status !== 0)
        throw new RuntimeError(this.#lastError() ?? (text.trim() || `${what}: exit status ${status}`));
    });
  }

  /** The last line of level error in the runtime's JSON log. */
  #lastError(): string | undefined {
    let text: string;
    try {
      text = readText(this.#log);
    } catch {
      return undefined;
    }
    for (const line of text.trimEnd().split("\n").reverse()) {
      try {
        const entry = JSON.parse(line) as { level?: string; msg?: string };
        if (entry.level === "error" && typeof entry.msg === "string") return entry.msg;
      } catch {
        // A line cut short by a runtime that was killed.
      }
    }
    return undefined;
  }
}
