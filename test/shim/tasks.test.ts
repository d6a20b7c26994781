// The tasks service over real shims: containerd's own and ours, each over real runc.
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkfifo } from "../../ffi/fifo.ts";
import { createTasks, type LocalTasks } from "../../src/roles/containerd/tasks/index.ts";
import type { AnyValue, Envelope, Events } from "../../src/wire/containerd/services.ts";
import { ServiceError } from "../../src/wire/containerd/services.ts";
import { decode, encode } from "../../src/wire/ttrpc/codec.ts";
import { TOPICS, type Topic } from "../../src/wire/ttrpc/messages/events.ts";
import { RuncOptions } from "../../src/wire/ttrpc/messages/types.ts";
import {
  type BundleOptions,
  cannot,
  FifoReader,
  ociSpec,
  removeTestCgroups,
  rootfsOf,
  runc,
  until,
} from "./harness.ts";

const realShim = Bun.which("containerd-shim-runc-v2");
const shims = [
  { name: "our shim", runtime: "io.containerd.bunker.v2", cannot },
  {
    name: "containerd's own shim",
    runtime: "io.containerd.runc.v2",
    cannot: cannot ?? (realShim ? undefined : "needs containerd-shim-runc-v2"),
  },
];

class Daemon {
  readonly state = mkdtempSync(join(tmpdir(), "tasks-"));
  readonly events: (Envelope & { message: Record<string, unknown> })[] = [];
  readonly records = new Map<string, { runtime: string; spec: Uint8Array }>();
  tasks!: LocalTasks;
  #readers: FifoReader[] = [];

  constructor(
    readonly runtime: string,
    readonly bundle?: (ns: string, id: string) => string,
    /** The runtime; "": our own. */
    readonly binary: string = runc!,
  ) {
    this.open();
  }

  open(): void {
    const forward: Events["forward"] = async (envelope) => {
      const message = decode(TOPICS[envelope.topic as Topic], envelope.event.value) as never;
      this.events.push({ ...envelope, message });
    };
    this.tasks = createTasks({
      state: this.state,
      address: join(this.state, "containerd.sock"),
      bundle: this.bundle,
      containers: {
        get: async (_ns, id) => {
          const record = this.records.get(id);
          if (!record) throw new ServiceError("NotFound", `container ${id}: not found`);
          const options: AnyValue = {
            typeUrl: RuncOptions.name,
            value: encode(RuncOptions, { binaryName: this.binary, root: join(this.state, "runc") }),
          };
          const spec = {
            typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec",
            value: record.spec,
          };
          const now = new Date();
          return {
            ...{ id, labels: {}, image: "", snapshotter: "", snapshotKey: "", extensions: {} },
            ...{ runtime: { name: record.runtime, options }, spec, createdAt: now, updatedAt: now },
          };
        },
      },
      events: {
        forward,
        publish: (namespace, topic, event) => forward({ timestamp: new Date(), namespace, topic, event }),
        subscribe: () => {
          throw new Error("not used");
        },
      },
    });
  }

  container(id: string, options: BundleOptions) {
    const directory = join(this.state, "c", id);
    mkdirSync(directory, { recursive: true });
    const spec = ociSpec(id, { ...options, rootfs: rootfsOf(directory) });
    this.records.set(id, { runtime: this.runtime, spec: new TextEncoder().encode(JSON.stringify(spec)) });
    const path = (name: string) => join(directory, name);
    for (const name of ["stdin", "stdout", "stderr"]) mkfifo(path(name));
    // containerd's shim does not create before somebody reads.
    const out = new FifoReader(path("stdout"));
    this.#readers.push(out, new FifoReader(path("stderr")));
    return {
      out,
      path,
      io: {
        stdin: options.stdin ? path("stdin") : "",
        stdout: path("stdout"),
        stderr: path("stderr"),
        terminal: false,
      },
    };
  }

  topics(id: string): string[] {
    return this.events.filter(({ message }) => message["containerId"] === id).map(({ topic }) => topic);
  }

  async close(): Promise<void> {
    await this.tasks.ready;
    for (const { containerId: id } of await this.tasks.list("ns")) {
      await this.tasks.kill("ns", id, 9).catch(() => {});
      await this.tasks.wait("ns", id);
      await this.tasks.delete("ns", id);
    }
    await this.tasks.close();
    for (const reader of this.#readers) reader.close();
    rmSync(this.state, { recursive: true });
  }
}

for (const { name, runtime, cannot: reason } of shims) {
  describe.skipIf(reason !== undefined)(`tasks over ${name}${reason ? ` (${reason})` : ""}`, () => {
    let daemon: Daemon;
    const fresh = (bundle?: (ns: string, id: string) => string) => {
      daemon = new Daemon(runtime, bundle);
      return daemon;
    };
    afterEach(() => daemon.close(), 30_000);
    afterAll(removeTestCgroups);

    test("create, start, output, exec, wait, delete; events; nothing left", async () => {
      const { tasks } = fresh();
      const { io, path, out } = daemon.container("one", {
        args: ["/bin/sh", "-c", "echo hello; cat; exit 4"],
        stdin: true,
      });
      const { pid } = await tasks.create("ns", { containerId: "one", rootfs: [], ...io });
      const bundle = join(daemon.state, "io.containerd.runtime.v2.task/ns/one");
      expect(statSync(join(bundle, "config.json")).mode & 0o777).toBe(0o600);
      expect(await tasks.get("ns", "one")).toMatchObject({
        containerId: "one",
        id: "",
        pid,
        status: "CREATED",
      });
      await expect(tasks.create("ns", { containerId: "one", rootfs: [], ...io })).rejects.toMatchObject({
        code: "AlreadyExists",
      });
      expect(await tasks.start("ns", "one")).toEqual({ pid });
      await out.includes("hello\n");
      const execIo = { stdin: "", stdout: path("e-out"), stderr: path("e-err"), terminal: false };
      mkfifo(execIo.stdout);
      mkfifo(execIo.stderr);
      const execOut = new FifoReader(execIo.stdout);
      const execErr = new FifoReader(execIo.stderr);
      const process = {
        terminal: false,
        user: { uid: 0, gid: 0 },
        args: ["/bin/sh", "-c", "echo inside; exit 9"],
        cwd: "/",
      };
      const spec = { typeUrl: "p", value: new TextEncoder().encode(JSON.stringify(process)) };
      await tasks.exec("ns", "one", { execId: "e", spec, ...execIo });
      await tasks.start("ns", "one", "e");
      expect((await tasks.wait("ns", "one", "e")).exitStatus).toBe(9);
      expect((await tasks.deleteProcess("ns", "one", "e")).exitStatus).toBe(9);
      expect(await execOut.end()).toBe("inside\n");
      execErr.close();
      expect((await tasks.list("ns")).map((t) => [t.containerId, t.status])).toEqual([["one", "RUNNING"]]);
      expect(await tasks.list("other")).toEqual([]);
      expect((await tasks.listPids("ns", "one")).map((p) => p.pid)).toContain(pid);
      const [metrics] = await tasks.metrics("ns", ["id==one"]);
      expect(metrics?.data.typeUrl).toMatch(/io\.containerd\.cgroups\.v[12]\.Metrics$/);
      expect(await tasks.metrics("ns", ["id==two"])).toEqual([]);
      const waiting = tasks.wait("ns", "one");
      await tasks.closeIO("ns", "one", "", true);
      expect((await waiting).exitStatus).toBe(4);
      expect((await tasks.delete("ns", "one")).exitStatus).toBe(4);
      expect(await out.end()).toBe("hello\n");
      await expect(tasks.get("ns", "one")).rejects.toMatchObject({ code: "NotFound" });
      expect(existsSync(bundle)).toBe(false);
      await until("events", () => daemon.topics("one").length === 7);
      expect(daemon.topics("one")).toEqual(
        ["create", "start", "exec-added", "exec-started", "exit", "exit", "delete"].map((t) => `/tasks/${t}`),
      );
    }, 60_000);

    test("a failed create leaves nothing and says what the runtime said", async () => {
      const { tasks } = fresh();
      const { io } = daemon.container("bad", { args: ["/no/such"] });
      await expect(tasks.create("ns", { containerId: "bad", rootfs: [], ...io })).rejects.toThrow(
        /^failed to create shim task: OCI runtime create failed: .*no such file or directory.*: unknown$/,
      );
      expect(await tasks.list("ns")).toEqual([]);
      expect(existsSync(join(daemon.state, "io.containerd.runtime.v2.task/ns/bad"))).toBe(false);
      await expect(tasks.create("ns", { containerId: "none", rootfs: [], ...io })).rejects.toMatchObject({
        code: "NotFound",
      });
    }, 60_000);

    test("a restart finds the living task again, and learns of an exit that it missed", async () => {
      let { tasks } = fresh();
      const live = daemon.container("live", { args: ["/bin/sleep", "1000"] });
      const ends = daemon.container("ends", { args: ["/bin/cat"], stdin: true });
      const keep = new FifoReader(ends.path("stdin"));
      for (const [id, { io }] of [
        ["live", live],
        ["ends", ends],
      ] as const) {
        await tasks.create("ns", { containerId: id, rootfs: [], ...io });
        await tasks.start("ns", id);
      }
      const before = await tasks.get("ns", "live");
      keep.close();
      await tasks.close();
      // The container ends while nobody is there.
      const pid = Number(
        readFileSync(join(daemon.state, "io.containerd.runtime.v2.task/ns/ends/init.pid"), "utf8"),
      );
      process.kill(pid, "SIGKILL");
      await until("its end", () => !existsSync(`/proc/${pid}`));
      daemon.open();
      ({ tasks } = daemon);
      expect(await tasks.get("ns", "live")).toEqual(before);
      expect(await tasks.wait("ns", "ends")).toMatchObject({ exitStatus: 137 });
      await tasks.delete("ns", "ends");
    }, 60_000);

    test("a shim that is killed: its container is cleaned up, waiters and listeners learn the end", async () => {
      const { tasks } = fresh();
      const { io } = daemon.container("orphan", { args: ["/bin/sleep", "1000"] });
      const { pid } = await tasks.create("ns", { containerId: "orphan", rootfs: [], ...io });
      await tasks.start("ns", "orphan");
      const shimPid = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
      const waiting = tasks.wait("ns", "orphan");
      process.kill(shimPid, "SIGKILL");
      expect((await waiting).exitStatus).toBe(137);
      await expect(tasks.get("ns", "orphan")).rejects.toMatchObject({ code: "NotFound" });
      await until(
        "the container's end",
        () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "),
      );
      expect(daemon.topics("orphan").slice(-2)).toEqual(["/tasks/exit", "/tasks/delete"]);
    }, 60_000);

    test("a shim killed while nobody was there is cleaned up after at the next start", async () => {
      fresh();
      const { io } = daemon.container("lost", { args: ["/bin/sleep", "1000"] });
      const { pid } = await daemon.tasks.create("ns", { containerId: "lost", rootfs: [], ...io });
      await daemon.tasks.start("ns", "lost");
      await daemon.tasks.close();
      const shimPid = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
      process.kill(shimPid, "SIGKILL");
      await until(
        "the shim's end",
        () =>
          !existsSync(`/proc/${shimPid}`) || readFileSync(`/proc/${shimPid}/stat`, "utf8").includes(") Z "),
      );
      daemon.open();
      const { tasks } = daemon;
      expect(await tasks.list("ns")).toMatchObject([
        { containerId: "lost", status: "STOPPED", exitStatus: 137 },
      ]);
      expect(await tasks.wait("ns", "lost")).toMatchObject({ exitStatus: 137 });
      expect(await tasks.delete("ns", "lost")).toMatchObject({ pid, exitStatus: 137 });
      expect(await tasks.list("ns")).toEqual([]);
      await until("events", () => daemon.topics("lost").includes("/tasks/delete"));
    }, 60_000);

    test("a bundle of the engine's keeps the engine's files", async () => {
      const place = mkdtempSync(join(tmpdir(), "bundles-"));
      const { tasks } = fresh((_ns, id) => join(place, id));
      const { io } = daemon.container("placed", { args: ["/bin/true"] });
      mkdirSync(join(place, "placed"));
      mkfifo(join(place, "placed", "init-stdin"));
      await tasks.create("ns", { containerId: "placed", rootfs: [], ...io });
      expect(existsSync(join(place, "placed", "config.json"))).toBe(true);
      await tasks.start("ns", "placed");
      await tasks.wait("ns", "placed");
      await tasks.delete("ns", "placed");
      expect(readdirSync(join(place, "placed"))).toEqual(["init-stdin"]);
      rmSync(place, { recursive: true });
    }, 60_000);
  });
}

describe.skipIf(cannot !== undefined)("tasks: runtimes", () => {
  test("a name that means no shim", async () => {
    for (const [runtime, words] of [
      ["io.containerd.nosuch.v9", "binary not installed"],
      ["nonsense", "invalid runtime name"],
      ["/no/such/shim", "no such file"],
    ] as const) {
      const daemon = new Daemon(runtime);
      const { io } = daemon.container("x", {});
      await expect(daemon.tasks.create("ns", { containerId: "x", rootfs: [], ...io })).rejects.toThrow(words);
      expect(existsSync(join(daemon.state, "io.containerd.runtime.v2.task/ns/x"))).toBe(false);
      await daemon.close();
    }
  });
});

describe.skipIf(cannot !== undefined)(
  `shims that wait for a container${cannot ? ` (${cannot})` : ""}`,
  () => {
    let daemon: Daemon;
    afterEach(() => daemon.close(), 30_000);
    afterAll(removeTestCgroups);
    const bundleOf = (id: string) => join(daemon.state, "io.containerd.runtime.v2.task/ns", id);
    const shimOf = (id: string) => Number(readFileSync(join(bundleOf(id), "shim.pid"), "utf8"));
    /** Parent and session. man 5 proc */
    const familyOf = (pid: number) => {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      return { parent: fields[1]!, session: fields[3]! };
    };
    const wordsOf = (pid: number) => {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0+$/, "").split("\0");
      return words.slice(words.findIndex((word) => word.startsWith("-")));
    };
    const begin = async (id: string, args: string[]) => {
      const { io } = daemon.container(id, { args });
      await daemon.tasks.create("ns", { containerId: id, rootfs: [], ...io });
      await daemon.tasks.start("ns", id);
    };
    const end = async (id: string) => {
      await daemon.tasks.kill("ns", id, 9);
      await daemon.tasks.wait("ns", id);
      await daemon.tasks.delete("ns", id);
    };

    test("looks as one that was started, keeps the next container too, and ends with its daemon", async () => {
      daemon = new Daemon("io.containerd.bunker.v2", undefined, "");
      const open = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
      const pids = new Set<number>();
      let after = 0;
      for (let i = 0; i < 12; i++) {
        const id = `life-${i}`;
        await begin(id, ["/bin/sleep", "1000"]);
        const pid = shimOf(id);
        pids.add(pid);
        const bundle = bundleOf(id);
        const address = join(daemon.state, "containerd.sock");
        expect(wordsOf(pid)).toEqual([
          ...["-namespace", "ns", "-id", id, "-address", address],
          ...["-publish-binary", process.execPath, "-bundle", bundle],
        ]);
        expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(bundle);
        expect(familyOf(pid).session).toBe(pid);
        expect(familyOf(pid).parent).not.toBe(process.pid);
        await end(id);
        expect(existsSync(bundle)).toBe(false);
        expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
        expect(wordsOf(pid)).toEqual(["-address", address, "wait"]);
        if (i === 4) after = open(pid);
      }
      expect(pids.size).toBe(1);
      const [pid] = pids;
      await until("as few descriptors as before", () => open(pid!) <= after);
      expect(readdirSync(join(daemon.state, "s"))).toEqual([]);
      await daemon.tasks.close();
      await until("the shim's end", () => !existsSync(`/proc/${pid}`));
      daemon.open();
    }, 60_000);

    test("with a container it outlives its daemon, asleep and awake, and ends with its container", async () => {
      process.env["BUNKER_SHIM_IDLE"] = "50";
      try {
        daemon = new Daemon("io.containerd.bunker.v2", undefined, "");
        await begin("lives", ["/bin/sleep", "1000"]);
      } finally {
        delete process.env["BUNKER_SHIM_IDLE"];
      }
      const pid = shimOf("lives");
      const words = wordsOf(pid);
      await until("sleep", () => readlinkSync(`/proc/${pid}/exe`).startsWith("/memfd:"));
      // While one program takes the other's place there is none for a moment.
      await until("the same arguments", () => Bun.deepEquals(wordsOf(pid), words));
      await daemon.tasks.close();
      daemon.open();
      await daemon.tasks.ready;
      expect(await daemon.tasks.get("ns", "lives")).toMatchObject({ status: "RUNNING" });
      await until("the same arguments, still", () => Bun.deepEquals(wordsOf(pid), words));
      await end("lives");
      await until("the shim's end", () => !existsSync(`/proc/${pid}`));
      expect(daemon.topics("lives")).toEqual([
        "/tasks/create",
        "/tasks/start",
        "/tasks/exit",
        "/tasks/delete",
      ]);
    }, 60_000);
  },
);
