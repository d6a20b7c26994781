// What of systemd the runtime needs, on a real message bus: dbus-daemon is Debian's, org.freedesktop.systemd1 is this. It makes
// a unit's cgroups and moves the processes it is told, as systemd does.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostCgroups } from "../../src/roles/runtime/cgroup/hierarchy.ts";
import { slicePath } from "../../src/roles/runtime/systemd/unit.ts";
import { type Value, Variant } from "../../src/wire/dbus/marshal.ts";
import {
  decodeMessage,
  encodeMessage,
  FIXED,
  type Message,
  messageLength,
  TYPE,
} from "../../src/wire/dbus/message.ts";

const MANAGER = "org.freedesktop.systemd1.Manager";
const PATH = "/org/freedesktop/systemd1";

/** A message bus of the test's own. */
export class Bus implements AsyncDisposable {
  private constructor(
    readonly path: string,
    readonly daemon: Bun.Subprocess,
  ) {}

  get address(): string {
    return `unix:path=${this.path}`;
  }

  static async start(directory: string): Promise<Bus> {
    const path = join(directory, "bus");
    const config = join(directory, "bus.conf");
    writeFileSync(
      config,
      `<busconfig><listen>unix:path=${path}</listen><auth>EXTERNAL</auth>
      <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>`,
    );
    const daemon = Bun.spawn(["dbus-daemon", `--config-file=${config}`, "--nofork", "--print-address"], {
      stdout: "pipe",
      stderr: "inherit",
    });
    // It says its address once it listens.
    await daemon.stdout.getReader().read();
    return new Bus(path, daemon);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.daemon.kill();
    await this.daemon.exited;
  }
}

export class StandInSystemd implements Disposable {
  readonly calls: { member: string; body: Value[] }[] = [];
  /** Units that run: name → their directories. */
  readonly units = new Map<string, string[]>();
  /** The result that the next job ends with. */
  jobResult = "done";
  /** Units that are known as failed, in the way of new ones of the name. */
  readonly failed = new Set<string>();
  #serial = 0;
  #jobs = 0;
  #input = new Uint8Array(0);
  #socket!: Bun.Socket<undefined>;

  static async start(bus: Bus): Promise<StandInSystemd> {
    const self = new StandInSystemd();
    const ready = Promise.withResolvers<void>();
    let greeted = false;
    self.#socket = await Bun.connect({
      unix: bus.path,
      socket: {
        data: (_socket, data) => {
          if (!greeted) {
            greeted = true;
            self.#socket.write("BEGIN\r\n");
            self.#ask("Hello", "", []);
            self.#ask("RequestName", "su", ["org.freedesktop.systemd1", 0]);
            return;
          }
          self.#take(data);
          if (self.#named) ready.resolve();
        },
      },
    });
    self.#socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(process.geteuid!())).toString("hex")}\r\n`);
    await ready.promise;
    return self;
  }

  #named = false;

  #ask(member: string, signature: string, body: Value[]): void {
    const name = "org.freedesktop.DBus";
    this.#send({
      type: TYPE.call,
      path: "/org/freedesktop/DBus",
      interface: name,
      destination: name,
      member,
      signature,
      body,
    });
  }

  #send(message: Omit<Message, "serial">): void {
    this.#socket.write(encodeMessage({ ...message, serial: ++this.#serial }));
  }

  #take(data: Uint8Array): void {
    const all = new Uint8Array(this.#input.length + data.length);
    all.set(this.#input);
    all.set(data, this.#input.length);
    this.#input = all;
    while (this.#input.length >= FIXED) {
      const length = messageLength(this.#input);
      if (this.#input.length < length) return;
      const message = decodeMessage(this.#input.slice(0, length));
      this.#input = this.#input.slice(length);
      if (message.type === TYPE.signal && message.member === "NameAcquired") {
        if (message.body[0] === "org.freedesktop.systemd1") this.#named = true;
      } else if (message.type === TYPE.call) this.#answer(message);
    }
  }

  #answer(call: Message): void {
    this.calls.push({ member: call.member!, body: call.body });
    const reply = { destination: call.sender!, replyTo: call.serial };
    try {
      const [signature, body, after] = this.#do(call);
      this.#send({ type: TYPE.return, ...reply, signature, body });
      after?.();
    } catch (error) {
      const { message } = error as Error;
      this.#send({ type: TYPE.error, ...reply, error: message, signature: "s", body: [message] });
    }
  }

  #do({ member, body }: Message): [string, Value[], (() => void)?] {
    const [name] = body as [string];
    switch (member) {
      case "StartTransientUnit":
        return this.#job(name, () => this.#start(name, new Map(body[2] as [string, Variant][])));
      case "StopUnit":
        if (!this.units.has(name)) throw new Error("org.freedesktop.systemd1.NoSuchUnit");
        return this.#job(name, () => this.#stop(name));
      case "ResetFailedUnit":
        this.failed.delete(name);
        return ["", []];
      case "Get":
        return ["v", [new Variant("s", "")]];
      case "SetUnitProperties":
      case "Subscribe":
        return ["", []];
      default:
        throw new Error("org.freedesktop.DBus.Error.UnknownMethod");
    }
  }

  #job(unit: string, work: () => void): [string, Value[], () => void] {
    if (this.failed.has(unit)) throw new Error("org.freedesktop.systemd1.UnitExists");
    work();
    const id = ++this.#jobs;
    const job = `${PATH}/job/${id}`;
    const result = this.jobResult;
    this.jobResult = "done";
    const after = () =>
      this.#send({
        type: TYPE.signal,
        path: PATH,
        interface: MANAGER,
        member: "JobRemoved",
        signature: "uoss",
        body: [id, job, unit, result],
      });
    return ["o", [job], after];
  }

  #start(name: string, properties: Map<string, Variant>): void {
    const slice = properties.get("Slice")!.value as string;
    const path = `${slicePath(slice)}/${name}`;
    // As systemd on v1: its own hierarchy and those of the controllers it accounts with.
    const mounts = hostCgroups();
    const hierarchies = mounts.v1
      .filter(({ controllers }) => controllers.some((one) => /^(name=systemd|memory|pids|cpu)$/.test(one)))
      .map(({ mountpoint }) => mountpoint);
    const directories = [...hierarchies, ...(mounts.unified ? [mounts.unified.mountpoint] : [])].map(
      (mountpoint) => mountpoint + path,
    );
    for (const directory of directories) {
      mkdirSync(directory, { recursive: true });
      for (const pid of properties.get("PIDs")!.value as number[])
        writeFileSync(join(directory, "cgroup.procs"), String(pid));
    }
    this.units.set(name, directories);
  }

  #stop(name: string): void {
    for (const directory of this.units.get(name) ?? []) if (existsSync(directory)) rmdirSync(directory);
    this.units.delete(name);
  }

  /** Processes in a unit. */
  pids(name: string): number[] {
    const [directory] = this.units.get(name) ?? [];
    return directory
      ? readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number)
      : [];
  }

  /** What a unit was made with. */
  properties(name: string): Record<string, Value> {
    const call = this.calls.find(({ member, body }) => member === "StartTransientUnit" && body[0] === name);
    return Object.fromEntries(
      ((call?.body[2] ?? []) as [string, Variant][]).map(([key, { value }]) => [key, value]),
    );
  }

  [Symbol.dispose](): void {
    this.#socket.end();
  }
}
