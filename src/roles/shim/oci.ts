// The OCI runtime's command line, as containerd's go-runc calls it. runtime-tools docs/command-line-interface.md.
import { readText, removeFile } from "../../../ffi/path.ts";
import { childEnvironment, selfCommand } from "../../self.ts";
import type { Exits } from "./exits.ts";

export interface OciOptions {
  /** Binary name or path; "" is our own runtime. */
  binary: string;
  root: string;
  bundle: string;
  systemdCgroup: boolean;
}

/** A runtime call that failed: `message` is what the runtime itself said last, at level error. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
}

/** File descriptors for the runtime's stdin, stdout and stderr, which the container's process inherits. */
export type StdioFds = readonly [number | "ignore", number | "ignore", number | "ignore"];

const SELF = "/proc/self/exe";

export class OciRuntime {
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

  /**
   * Runs one command to its end. Returns what it wrote to stdout (when `stdio` is absent).
   * Throws RuntimeError with the runtime's own words.
   */
  async run(args: readonly string[], stdio?: StdioFds): Promise<string> {
    const { cmd, argv0 } = this.#command();
    const what = `${this.options.binary || "runc"} ${args[0]}`;
    return this.exits.during(async () => {
      let child: ReturnType<typeof Bun.spawn>;
      const options = {
        argv0,
        cwd: this.options.bundle,
        env: childEnvironment(),
        stdin: stdio?.[0] ?? "ignore",
        stdout: stdio?.[1] ?? "pipe",
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
      const texts = stdio
        ? ["", ""]
        : await Promise.all([
            new Response(child.stdout as ReadableStream).text(),
            new Response(child.stderr as ReadableStream).text(),
          ]);
      // When our own wait4(-1) was faster than Bun's, Bun fails with ECHILD and ours has the true status.
      const ended = await child.exited.catch((error: unknown) => error as Error);
      const status = this.exits.take(child.pid)?.exitStatus ?? ended;
      if (typeof status !== "number")
        throw new RuntimeError(`${what}: its end was missed: ${status.message}`, { cause: status });
      if (status !== 0)
        throw new RuntimeError(this.#lastError() ?? (texts[1]!.trim() || `${what}: exit status ${status}`));
      return texts[0]!;
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

  /** Forgets earlier errors, so that `#lastError` is this call's. */
  forgetLog(): void {
    removeFile(this.#log);
  }
}
