// Drives a shim as containerd does: a bundle, `start`, ttrpc, FIFOs, and a server for its events.
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkfifo } from "../../ffi/fifo.ts";
import { BootstrapResult } from "../../src/roles/shim/bootstrap.ts";
import { childEnvironment, selfCommand } from "../../src/self.ts";
import { TtrpcClient } from "../../src/wire/ttrpc/client.ts";
import { decode, encode } from "../../src/wire/ttrpc/codec.ts";
import { Events, TOPICS, type Topic } from "../../src/wire/ttrpc/messages/events.ts";
import { TaskV2, TaskV3 } from "../../src/wire/ttrpc/messages/task.ts";
import { RuncOptions } from "../../src/wire/ttrpc/messages/types.ts";
import { TtrpcServer } from "../../src/wire/ttrpc/server.ts";
import type { Caller } from "../../src/wire/ttrpc/service.ts";

export const root = process.getuid?.() === 0;
export const runc = Bun.which("runc", { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` });
/** Why the tests that start containers cannot run here; undefined when they can. */
export const cannot = !root
  ? "needs root"
  : !runc
    ? "needs runc"
    : !busybox()
      ? "needs a static busybox"
      : undefined;

function busybox(): string | undefined {
  const path = Bun.which("busybox");
  return path ?? undefined;
}

/** containerd's own shim; undefined where it is not installed. */
export const realShim = Bun.which("containerd-shim-runc-v2") ?? undefined;

/** The shim: the one asked for, this checkout's, or that of the executable that BUNKER_BINARY names. */
function shimProgram(asked: BundleOptions["program"]): { cmd: string[]; argv0: string } {
  const name = "containerd-shim-bunker-v2";
  // A checkout's command is bun with a source file.
  if (asked) return { cmd: [...asked], argv0: asked[0] === realShim ? realShim! : asked[1] ? "bun" : name };
  const binary = process.env["BUNKER_BINARY"];
  return binary ? { cmd: [binary], argv0: name } : selfCommand(name);
}

/** Waits until `condition` holds (is not undefined or false). */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false,
  ms = 15_000,
): Promise<T> {
  for (const end = Date.now() + ms; ; ) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await Bun.sleep(5);
  }
}

export interface ToldEvent {
  topic: string;
  event: Record<string, unknown>;
}

/** A directory of its own with an events server, as one containerd has. */
export class Host {
  readonly directory = mkdtempSync(join(tmpdir(), "shim-"));
  readonly address = join(this.directory, "c.sock");
  readonly #events: ToldEvent[] = [];
  readonly namespace = "test";
  #server: TtrpcServer | undefined;
  #shims: Shim[] = [];

  constructor() {
    this.listen();
  }

  /** Every event that has been told, in order. */
  get events(): readonly ToldEvent[] {
    return this.#events;
  }

  listen(): void {
    rmSync(`${this.address}.ttrpc`, { force: true });
    this.#server = new TtrpcServer().register(Events, {
      forward: ({ envelope }) => {
        const type = TOPICS[envelope!.topic as Topic];
        this.#events.push({ topic: envelope!.topic, event: decode(type, envelope!.event!.value) as never });
        return {};
      },
    });
    this.#server.listen({ address: `${this.address}.ttrpc` });
  }

  deafen(): void {
    this.#server?.close();
    rmSync(`${this.address}.ttrpc`, { force: true });
  }

  topics(): string[] {
    return this.events.map(({ topic }) => topic);
  }

  shim(id: string, options: BundleOptions = {}): Shim {
    const shim = new Shim(this, id, options);
    this.#shims.push(shim);
    return shim;
  }

  async close(): Promise<void> {
    for (const shim of this.#shims) await shim.destroy();
    this.deafen();
    removeTestCgroups();
    rmSync(this.directory, { recursive: true });
  }
}

export interface BundleOptions {
  args?: string[];
  terminal?: boolean;
  annotations?: Record<string, string>;
  hostPids?: boolean;
  edit?: (spec: Record<string, unknown>) => void;
  stdin?: boolean;
  ioUid?: number;
  /** Runtime binary; real runc by default. "": our own. */
  binary?: string;
  /** The shim's command; ours by default. */
  program?: readonly string[];
}

/** A root file system of busybox at `<directory>/rootfs`. */
export function rootfsOf(directory: string): string {
  const rootfs = join(directory, "rootfs");
  mkdirSync(join(rootfs, "bin"), { recursive: true });
  for (const each of ["dev", "proc", "sys", "tmp"]) mkdirSync(join(rootfs, each));
  cpSync(busybox()!, join(rootfs, "bin", "busybox"));
  for (const name of [
    "sh",
    "cat",
    "echo",
    "sleep",
    "true",
    "head",
    "stty",
    "tty",
    "yes",
    "seq",
    "printf",
    "dd",
  ])
    symlinkSync("busybox", join(rootfs, "bin", name));
  return rootfs;
}

export function ociSpec(id: string, options: BundleOptions & { rootfs?: string }): Record<string, unknown> {
  const namespaces = ["pid", "ipc", "uts", "mount", "network"].filter(
    (type) => type !== "pid" || !options.hostPids,
  );
  const spec: Record<string, unknown> = {
    ociVersion: "1.0.2",
    process: {
      terminal: options.terminal ?? false,
      user: { uid: 0, gid: 0 },
      args: options.args ?? ["/bin/true"],
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: Object.fromEntries(
        ["bounding", "effective", "permitted"].map((set) => [
          set,
          ["CAP_KILL", "CAP_CHOWN", "CAP_SYS_ADMIN"],
        ]),
      ),
    },
    root: { path: options.rootfs ?? "rootfs" },
    hostname: "box",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["newinstance", "ptmxmode=0666"],
      },
    ],
    annotations: options.annotations,
    linux: { namespaces: namespaces.map((type) => ({ type })), cgroupsPath: `/${CGROUP}/${id}` },
  };
  options.edit?.(spec);
  return spec;
}

const CGROUP = `shimtest-${process.pid}`;

/** The parent cgroup that the runtime made for the test's containers. */
export function removeTestCgroups(): void {
  for (const base of ["", ...readdirSync("/sys/fs/cgroup")]) {
    try {
      rmdirSync(join("/sys/fs/cgroup", base, CGROUP));
    } catch {
      // Not in this hierarchy.
    }
  }
}

export class Shim {
  readonly bundle: string;
  client!: TtrpcClient;
  task!: Caller<typeof TaskV2>;
  pid = 0;
  /** What `start` wrote. */
  bytes: Uint8Array = new Uint8Array();
  answer = "";

  constructor(
    readonly host: Host,
    readonly id: string,
    readonly options: BundleOptions,
  ) {
    this.bundle = join(host.directory, "b", id);
    mkdirSync(this.bundle, { recursive: true });
    rootfsOf(this.bundle);
    writeFileSync(join(this.bundle, "config.json"), JSON.stringify(ociSpec(id, options)));
    for (const name of ["stdin", "stdout", "stderr"]) mkfifo(this.fifo(name));
    // containerd's shim waits for a reader of its log.
    if (options.program?.[0] === realShim) {
      mkfifo(join(this.bundle, "log"));
      this.#log = openSync(join(this.bundle, "log"), constants.O_RDWR | constants.O_NONBLOCK);
    }
  }
  #log = -1;

  fifo(name: string, process = "init"): string {
    return join(this.bundle, `${process}-${name}`);
  }

  /** Runs one of the shim's actions; returns its exit code, stdout and stderr. */
  async action(
    action: string,
    environment: Record<string, string> = {},
    extra: string[] = [],
    stdin?: Uint8Array,
  ) {
    const { cmd, argv0 } = shimProgram(this.options.program);
    const child = Bun.spawn(
      [
        ...cmd,
        "-namespace",
        this.host.namespace,
        "-address",
        this.host.address,
        "-publish-binary",
        "/bin/false",
        "-id",
        this.id,
        "-bundle",
        this.bundle,
        ...extra,
        action,
      ],
      {
        argv0,
        cwd: this.bundle,
        env: childEnvironment({ TTRPC_ADDRESS: `${this.host.address}.ttrpc`, ...environment }),
        stdio: [stdin ?? "ignore", "pipe", "pipe"],
      },
    );
    const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.text()]);
    return { code: await child.exited, stdout, stderr };
  }

  async start(
    version: 2 | 3 = 2,
    environment: Record<string, string> = {},
    stdin?: Uint8Array,
  ): Promise<this> {
    const { code, stdout, stderr } = await this.action("start", environment, [], stdin);
    if (code !== 0) throw new Error(`start: ${code} ${stderr}`);
    this.bytes = stdout;
    this.answer = new TextDecoder().decode(stdout);
    await this.connect(version);
    return this;
  }

  /** Where it listens, whichever way it said so. */
  get socket(): string {
    if (this.answer.includes("\u0012")) return decode(BootstrapResult, this.bytes).address;
    return this.answer.startsWith("{")
      ? (JSON.parse(this.answer) as { address: string }).address
      : this.answer;
  }

  async connect(version: 2 | 3 = 2): Promise<void> {
    this.client = await TtrpcClient.connect(this.socket);
    this.task = this.client.service(version === 2 ? TaskV2 : TaskV3);
    this.pid = (await this.task.connect({ id: this.id })).shimPid;
  }

  create(
    streams: {
      stdin?: boolean;
      terminal?: boolean;
      /** Instead of the FIFO, for both streams. */
      uri?: string;
      mounts?: { type: string; source: string; options: string[] }[];
    } = {},
  ) {
    const terminal = streams.terminal ?? this.options.terminal ?? false;
    return this.task.create({
      id: this.id,
      bundle: this.bundle,
      terminal,
      rootfs: streams.mounts,
      stdin: streams.stdin || this.options.stdin ? this.fifo("stdin") : "",
      stdout: streams.uri ?? this.fifo("stdout"),
      stderr: terminal ? "" : (streams.uri ?? this.fifo("stderr")),
      options: {
        typeUrl: RuncOptions.name,
        value: encode(RuncOptions, { binaryName: this.options.binary ?? runc!, ioUid: this.options.ioUid }),
      },
    });
  }

  exec(execId: string, args: string[], more: { stdin?: boolean; terminal?: boolean } = {}) {
    for (const name of ["stdin", "stdout", "stderr"]) mkfifo(this.fifo(name, execId));
    const spec = {
      terminal: more.terminal ?? false,
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/bin"],
      cwd: "/",
    };
    return this.task.exec({
      id: this.id,
      execId,
      terminal: more.terminal ?? false,
      stdin: more.stdin ? this.fifo("stdin", execId) : "",
      stdout: this.fifo("stdout", execId),
      stderr: more.terminal ? "" : this.fifo("stderr", execId),
      spec: {
        typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process",
        value: new TextEncoder().encode(JSON.stringify(spec)),
      },
    });
  }

  reader(name: string, process = "init"): FifoReader {
    return new FifoReader(this.fifo(name, process));
  }

  async destroy(): Promise<void> {
    this.client?.close();
    if (this.pid > 0 && existsSync(`/proc/${this.pid}`)) {
      try {
        process.kill(this.pid, "SIGKILL");
      } catch {}
      await until(
        "the shim's end",
        () =>
          !existsSync(`/proc/${this.pid}`) || readFileSync(`/proc/${this.pid}/stat`, "utf8").includes(") Z "),
      );
    }
    await this.action("delete");
    if (this.#log >= 0) closeSync(this.#log);
  }
}

/** Reads a FIFO as an engine does: non-blocking, with a write end held until told that the writers are done. */
export class FifoReader {
  #fd: number;
  #keeper: number;
  #text: Buffer[] = [];

  constructor(path: string, keep = true) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#keeper = keep ? openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) : -1;
  }

  /** Takes what is there now; true at the end of the stream. */
  poll(): boolean {
    const into = Buffer.alloc(65536);
    for (;;) {
      try {
        const n = readSync(this.#fd, into);
        if (n === 0) return true;
        this.#text.push(Buffer.from(into.subarray(0, n)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
        throw error;
      }
    }
  }

  get text(): string {
    return Buffer.concat(this.#text).toString();
  }

  get bytes(): number {
    return this.#text.reduce((sum, each) => sum + each.length, 0);
  }

  async includes(text: string): Promise<void> {
    await until(
      `${JSON.stringify(text)} in the output, which is ${JSON.stringify(this.text.slice(-500))}`,
      () => {
        this.poll();
        return this.text.includes(text);
      },
    );
  }

  /** Lets the write end go and reads to the end. */
  async end(): Promise<string> {
    this.release();
    await until("end of the stream", () => this.poll());
    this.close();
    return this.text;
  }

  release(): void {
    if (this.#keeper >= 0) closeSync(this.#keeper);
    this.#keeper = -1;
  }

  close(): void {
    this.release();
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** Writes to a FIFO that has a reader. */
export function writeFifo(path: string, text: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(fd, text);
  closeSync(fd);
}
