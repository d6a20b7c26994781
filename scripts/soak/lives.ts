// Lives of containers for the soak: each kind is one way through the runtime's verbs, ended by its deletion.
import { copyFileSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "../../src/roles/runtime/default-spec.ts";

/** How many runtimes are at work at the same time while many containers are started or removed. */
const AT_ONCE = 16;

export class Lives {
  readonly kinds = ["run", "run -d, delete", "create, start, exec, pause, kill, delete", "failed start"];
  readonly #root: string;
  readonly #bundle: string;
  readonly #runtime: string[];

  /** Makes the bundle below `directory`. Containers and their cgroups are called after `name`. */
  constructor(
    directory: string,
    readonly name: string,
    runtime: string,
  ) {
    this.#root = join(directory, "state");
    this.#bundle = join(directory, "bundle");
    const bin = join(this.#bundle, "rootfs", "bin");
    for (const one of ["proc", "dev", "sys", "tmp", "etc"])
      mkdirSync(join(this.#bundle, "rootfs", one), { recursive: true });
    mkdirSync(bin);
    copyFileSync("/bin/busybox", join(bin, "busybox"));
    for (const applet of ["true", "sleep", "sh"]) symlinkSync("busybox", join(bin, applet));
    const called = join(directory, "runc");
    symlinkSync(runtime, called);
    this.#runtime = [called, "--root", this.#root];
    // A config.json a kind, so that none is written while the cycles go on.
    for (const [file, args] of Object.entries({
      ends: ["true"],
      stays: ["sleep", "1000"],
      fails: ["/nosuch"],
    }))
      this.#configure(file, args);
  }

  #configure(file: string, args: string[]): void {
    const directory = join(this.#bundle, file);
    mkdirSync(directory);
    const config = defaultSpec(false);
    config.process!.terminal = false;
    config.process!.args = args;
    config.root!.path = join(this.#bundle, "rootfs");
    config.linux!.resources = { ...config.linux!.resources, pids: { limit: 64 } };
    writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  }

  /** One container's life, of the kind whose turn it is. Throws when a verb does not do what it should. */
  async cycle(turn: number): Promise<void> {
    const id = `${this.name}-${turn}`;
    switch (turn % 4) {
      case 0:
        return this.#ok("run", "--bundle", this.#of("ends"), id);
      case 1:
        await this.#ok("run", "-d", "--bundle", this.#of("stays"), id);
        return this.#ok("delete", "--force", id);
      case 2:
        await this.#ok("create", "--bundle", this.#of("stays"), id);
        await this.#ok("start", id);
        await this.#ok("exec", id, "true");
        await this.#ok("pause", id);
        await this.#ok("resume", id);
        await this.#ok("kill", id, "KILL");
        return this.#deleted(id);
      default: {
        const { code, err } = await this.#call("run", "--bundle", this.#of("fails"), id);
        if (code === 0 || !err.includes("no such file"))
          throw new Error(`a missing program: ${code}: ${err}`);
      }
    }
  }

  /** Starts `count` containers, looks at all of them, removes them; says what was seen. */
  async together(count: number): Promise<string> {
    const ids = Array.from({ length: count }, (_, i) => `${this.name}-t${i}`);
    await inLanes(ids, (id) => this.#ok("run", "-d", "--bundle", this.#of("stays"), id));
    const { out } = await this.#call("list", "--format", "json");
    const all = JSON.parse(out) as { id: string; status: string; pid: number }[];
    const running = all.filter((one) => one.status === "running");
    if (running.length !== count) throw new Error(`${running.length} of ${count} containers run`);
    const stray = running.flatMap(({ pid }) => strayDescriptors(pid));
    if (stray.length > 0) throw new Error(`descriptors in containers: ${stray.join(", ")}`);
    await inLanes(ids, (id) => this.#ok("exec", id, "true"));
    await inLanes(ids, (id) => this.#ok("delete", "--force", id));
    return `${running.length} running, none with a descriptor beyond its stdio, an exec in each`;
  }

  /** delete, again while the process is still on its way out. */
  async #deleted(id: string): Promise<void> {
    for (const end = performance.now() + 10_000; ; ) {
      const { code, err } = await this.#call("delete", id);
      if (code === 0) return;
      if (!err.includes("is not stopped") || performance.now() > end) throw new Error(`delete ${id}: ${err}`);
    }
  }

  #of(kind: string): string {
    return join(this.#bundle, kind);
  }

  async #ok(...args: string[]): Promise<void> {
    const { code, err } = await this.#call(...args);
    if (code !== 0) throw new Error(`runc ${args.join(" ")}: exit ${code}: ${err}`);
  }

  async #call(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const child = Bun.spawn([...this.#runtime, ...args], {
      stdin: "ignore",
      // A detached container holds its runtime's stdio beyond the call; none of ours says anything by itself.
      stdout: args[0] === "list" ? "pipe" : "ignore",
      stderr: args.includes("-d") || args[0] === "create" ? "ignore" : "pipe",
    });
    const said = async (stream: ReadableStream | undefined) => (stream ? new Response(stream).text() : "");
    const [out, err] = await Promise.all([said(child.stdout), said(child.stderr)]);
    return { code: await child.exited, out, err };
  }
}

/** What a container's first process holds open beyond 0, 1 and 2. */
const strayDescriptors = (pid: number) =>
  readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => Number(fd) > 2)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

/** Does `work` for each of the list, some at the same time. */
async function inLanes(list: readonly string[], work: (one: string) => Promise<void>): Promise<void> {
  const todo = [...list];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let one = todo.shift(); one !== undefined; one = todo.shift()) await work(one);
    }),
  );
}
