// The verbs of a container over tasks that live in memory: what is called, in which order, and what is left behind.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleEngine } from "../../src/roles/engine/assemble.ts";
import { buildConfig } from "../../src/roles/engine/config/load.ts";
import type { Container } from "../../src/roles/engine/containers/container.ts";
import { createContainer } from "../../src/roles/engine/containers/create.ts";
import { Containers } from "../../src/roles/engine/containers/index.ts";
import { inspectContainer } from "../../src/roles/engine/containers/inspect.ts";
import { killContainer } from "../../src/roles/engine/containers/kill.ts";
import { listContainers } from "../../src/roles/engine/containers/list.ts";
import { pauseContainer, unpauseContainer } from "../../src/roles/engine/containers/pause.ts";
import { removeContainer } from "../../src/roles/engine/containers/remove.ts";
import { renameContainer } from "../../src/roles/engine/containers/rename.ts";
import type { Room } from "../../src/roles/engine/containers/room.ts";
import { startContainer } from "../../src/roles/engine/containers/start.ts";
import { restartContainer, stopContainer } from "../../src/roles/engine/containers/stop.ts";
import { Filters } from "../../src/roles/engine/server/request.ts";
import { containerCreate } from "../../src/spec/engine/container.ts";
import { goJson } from "../../src/spec/engine/go-json.ts";
import { ServiceError } from "../../src/wire/containerd/services.ts";
import { FakeContainerd } from "../engine-server/fakes.ts";
import { FakeTasks } from "./fake-tasks.ts";
import { noNetworks } from "./no-networks.ts";

let directory: string;
let tasks: FakeTasks;
let shutdown: AbortController;
let room: Room;
let events: string[];

async function engineUp(): Promise<Containers> {
  const containerd = new FakeContainerd();
  containerd.name("docker.io/library/busybox:latest", containerd.document("sh"));
  shutdown = new AbortController();
  const config = buildConfig(
    new Map<string, unknown>([
      ["data-root", join(directory, "data")],
      ["exec-root", join(directory, "exec")],
      ["hosts", [`unix://${directory}/docker.sock`]],
      ["group", ""],
    ]),
    "",
  );
  const engine = await assembleEngine({
    config,
    services: tasks.over(containerd.services),
    networks: noNetworks,
    containerdAddress: join(directory, "containerd.sock"),
    shutdown: shutdown.signal,
    createContainers: async (made) => new Containers(made),
  });
  const containers = engine.containers as Containers;
  await containers.load();
  await containers.resume();
  engine.events.subscribe((event) => {
    if (event.Type === "container") events.push(event.Action);
  });
  room = containers.room;
  return containers;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "bunker-life-"));
  tasks = new FakeTasks(directory);
  events = [];
  await engineUp();
});

afterEach(() => {
  shutdown.abort();
  for (const container of room.registry.list()) container.streams.close();
  rmSync(directory, { recursive: true, force: true });
});

async function make(own: object = {}, name = "one"): Promise<Container> {
  const body = goJson(
    containerCreate,
    {
      Image: "busybox",
      ...own,
      HostConfig: { NetworkMode: "none", ...(own as { HostConfig?: object }).HostConfig },
    },
    "CreateRequest",
  );
  const { Id } = await createContainer(room, body, { name });
  return room.registry.get(Id);
}

/** Waits until everything that was posted to the container has been dealt with. */
const quiet = (container: Container): Promise<void> => container.mailbox.run(() => {});

test("create, start, end: calls in order, state on disk, nothing left of the run", async () => {
  const container = await make();
  expect(container.state.status).toBe("created");
  await startContainer(room, container);
  expect(container.state.status).toBe("running");
  expect(tasks.records.size).toBe(1);
  const wait = container.state.wait("next-exit");
  tasks.end(container.id, 7);
  expect((await wait).exitCode).toBe(7);
  await quiet(container);
  expect(tasks.calls).toEqual(["create", "start", "delete"]);
  expect(tasks.records.size).toBe(0);
  expect(events).toEqual(["create", "start", "die"]);
  const stored = JSON.parse(readFileSync(container.file("config.v2.json"), "utf8")) as { State: object };
  expect(stored.State).toMatchObject({ Running: false, ExitCode: 7, Pid: 0 });
});

test("start of a running container is 304, of a paused one 409", async () => {
  const container = await make();
  await startContainer(room, container);
  await expect(startContainer(room, container)).rejects.toMatchObject({ status: 304 });
  await pauseContainer(room, container);
  await expect(startContainer(room, container)).rejects.toThrow(
    "cannot start a paused container, try unpause instead",
  );
  await expect(pauseContainer(room, container)).rejects.toThrow("is already paused");
  await unpauseContainer(room, container);
  await expect(unpauseContainer(room, container)).rejects.toThrow("is not paused");
});

test("stop: the stop signal is enough for a process that obeys", async () => {
  const container = await make();
  await startContainer(room, container);
  await stopContainer(room, container, { timeout: 5 });
  expect(tasks.calls).toEqual(["create", "start", "kill 15", "delete"]);
  expect(events).toEqual(["create", "start", "kill", "die", "stop"]);
  expect(container.state.stored.ExitCode).toBe(143);
  await expect(stopContainer(room, container)).rejects.toMatchObject({ status: 304 });
});

test("stop: SIGKILL after the time of grace for one that does not", async () => {
  tasks.obeys = new Map([[9, 137]]);
  const container = await make({ StopSignal: "SIGINT" });
  await startContainer(room, container);
  await stopContainer(room, container, { timeout: 0 });
  expect(tasks.calls).toEqual(["create", "start", "kill 2", "kill 9", "delete"]);
  expect(container.state.stored.ExitCode).toBe(137);
});

test("stop: an end that nobody announced is seen all the same", async () => {
  tasks.obeys = new Map();
  const container = await make();
  await startContainer(room, container);
  const stopping = stopContainer(room, container, { timeout: 30 });
  // The task's state changes, but wait() stays silent and no event comes.
  const { process } = tasks.task(container.id);
  Object.assign(process, { status: "STOPPED", exitStatus: 5, exitedAt: new Date() });
  await stopping;
  expect(container.state.stored.ExitCode).toBe(5);
});

test("kill: 409 when it does not run; other signals do not end the restart policy's work", async () => {
  const container = await make();
  await expect(killContainer(room, container, "")).rejects.toMatchObject({ status: 409 });
  await startContainer(room, container);
  await killContainer(room, container, "HUP");
  expect(container.record.HasBeenManuallyStopped).toBe(false);
  await killContainer(room, container, "KILL");
  expect(container.state.stored.ExitCode).toBe(137);
  expect(container.record.HasBeenManuallyStopped).toBe(true);
});

test("restart keeps a container of --rm", async () => {
  const container = await make({ HostConfig: { AutoRemove: true } });
  await startContainer(room, container);
  await restartContainer(room, container, { timeout: 1 });
  expect(container.state.status).toBe("running");
  const removed = container.state.wait("removed");
  tasks.end(container.id, 3);
  expect((await removed).exitCode).toBe(3);
  expect(room.registry.size).toBe(0);
  expect(readdirSync(join(directory, "data", "containers"))).toEqual([]);
});

test("on-failure restarts as often as it may", async () => {
  const container = await make({
    HostConfig: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 } },
  });
  await startContainer(room, container);
  tasks.end(container.id, 1);
  const until = Date.now() + 10_000;
  while (tasks.calls.filter((call) => call === "start").length < 2) {
    if (Date.now() > until) throw new Error("was not started again");
    await Bun.sleep(10);
  }
  await quiet(container);
  expect(container.record.RestartCount).toBe(1);
  const stopped = container.state.wait("not-running");
  tasks.end(container.id, 2);
  await stopped;
  expect(container.state.status).toBe("exited");
});

describe("a failing start", () => {
  test("leaves its reason and nothing else, and may be tried again", async () => {
    const container = await make();
    tasks.failing = (step) =>
      step === "create"
        ? new ServiceError(
            "Unknown",
            'OCI runtime create failed: exec: "x": executable file not found in $PATH',
          )
        : undefined;
    await expect(startContainer(room, container)).rejects.toMatchObject({ status: 400 });
    await quiet(container);
    expect(container.state.stored).toMatchObject({ Running: false, ExitCode: 127 });
    expect(container.state.stored.Error).toContain("executable file not found");
    expect(tasks.records.size).toBe(0);
    tasks.failing = undefined;
    await startContainer(room, container);
    expect(container.state.stored.Error).toBe("");
  });

  test("after the task came to be: it is killed and deleted", async () => {
    const container = await make();
    tasks.failing = (step) =>
      step === "start" ? new ServiceError("Unknown", "OCI runtime start failed") : undefined;
    await expect(startContainer(room, container)).rejects.toMatchObject({ status: 500 });
    await quiet(container);
    expect(tasks.calls).toEqual(["create", "start", "kill 9", "delete"]);
    expect(tasks.tasks.size).toBe(0);
  });

  test("an unknown user is refused before anything is made", async () => {
    const container = await make({ User: "nosuch" });
    await expect(startContainer(room, container)).rejects.toThrow(
      "unable to find user nosuch: no matching entries in passwd file",
    );
    await quiet(container);
    expect(tasks.calls).toEqual([]);
  });
});

test("remove: refused while it runs, forced it kills, afterwards nothing is there", async () => {
  const container = await make();
  await startContainer(room, container);
  await expect(removeContainer(room, container)).rejects.toThrow(
    'cannot remove container "one": container is running: stop the container before removing or force remove',
  );
  await removeContainer(room, container, { force: true });
  expect(events.slice(-3)).toEqual(["kill", "die", "destroy"]);
  expect(() => room.registry.get("one")).toThrow("No such container: one");
  expect(existsSync(container.places.directory)).toBe(false);
  expect(existsSync(container.places.bundle)).toBe(false);
  expect(readdirSync(join(directory, "snapshots"))).toEqual([]);
});

test("names: conflict in docker's words, rename, ids by prefix", async () => {
  const first = await make();
  await expect(make()).rejects.toThrow(
    `Conflict. The container name "/one" is already in use by container "${first.id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
  await renameContainer(room, first, "two");
  expect(room.registry.get("two")).toBe(first);
  expect(room.registry.get(first.id.slice(0, 8))).toBe(first);
  expect((await make()).name).toBe("one");
});

test("bad requests leave nothing", async () => {
  const refused: [object, string][] = [
    [{ Image: "nosuch" }, "No such image: nosuch:latest"],
    [{ WorkingDir: "rel" }, "the working directory 'rel' is invalid, it needs to be an absolute path"],
    [{ HostConfig: { Memory: 1024 } }, "Minimum memory limit allowed is 6MB"],
    [{ HostConfig: { CapAdd: ["FOO"] } }, 'invalid CapAdd: unknown capability: "CAP_FOO"'],
    [{ HostConfig: { Binds: ["/a:/b:zz"] } }, "invalid mode: zz"],
    [{ HostConfig: { Runtime: "zzz" } }, "unknown or invalid runtime name: zzz"],
    [{ HostConfig: { LogConfig: { Type: "zzz" } } }, "logger: no log driver named 'zzz' is registered"],
    [{ HostConfig: { NetworkMode: "container:zzz" } }, "No such container: zzz"],
  ];
  for (const [own, text] of refused) await expect(make(own)).rejects.toThrow(text);
  await Bun.sleep(0);
  expect((await make()).name).toBe("one");
  expect(readdirSync(join(directory, "data", "containers")).length).toBe(1);
  expect(readdirSync(join(directory, "snapshots")).length).toBe(1);
});

test("list: states, filters, limit", async () => {
  const one = await make({ Labels: { a: "1" } }, "one");
  await make({}, "two");
  await startContainer(room, one);
  const names = async (filters: object, more: object = {}) =>
    (
      await listContainers(room, {
        all: true,
        limit: 0,
        size: false,
        filters: Filters.parse(JSON.stringify(filters)),
        ...more,
      })
    ).map((container) => container.Names[0]);
  expect(await names({})).toEqual(["/two", "/one"]);
  expect(await names({}, { all: false })).toEqual(["/one"]);
  expect(await names({}, { limit: 1 })).toEqual(["/two"]);
  expect(await names({ status: ["running"] })).toEqual(["/one"]);
  expect(await names({ label: ["a=1"] })).toEqual(["/one"]);
  expect(await names({ name: ["^/?tw"] })).toEqual(["/two"]);
  expect(await names({ ancestor: ["busybox"] })).toEqual(["/two", "/one"]);
  expect(await names({ since: ["one"] })).toEqual(["/two"]);
  expect(await names({ network: ["none"], id: [one.id.slice(0, 10)] })).toEqual(["/one"]);
  await expect(names({ status: ["nosuch"] })).rejects.toThrow("invalid filter 'status=nosuch'");
  await expect(names({ nosuch: ["x"] })).rejects.toThrow("invalid filter 'nosuch'");
});

test("inspect gives back what was asked for, with docker's defaults for the rest", async () => {
  const container = await make({ Env: ["A=1"], HostConfig: { Memory: 64 << 20, Binds: ["/tmp:/x:ro"] } });
  const shown = await inspectContainer(room, container, true);
  expect(shown).toMatchObject({
    Name: "/one",
    Path: "sh",
    Args: [],
    Config: { Env: ["A=1", "PATH=/bin"], Hostname: container.shortId, Labels: { made: "here" } },
    HostConfig: {
      NetworkMode: "none",
      MemorySwap: 128 << 20,
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
      Runtime: "runc",
      IpcMode: "private",
      ShmSize: 64 << 20,
    },
    Mounts: [
      { Type: "bind", Source: "/tmp", Destination: "/x", Mode: "ro", RW: false, Propagation: "rprivate" },
    ],
    ExecIDs: null,
    SizeRw: 10,
  });
});

describe("the engine comes back", () => {
  test("what lives is taken up, what ended meanwhile gets its exit code, what is damaged is set aside", async () => {
    const alive = await make({}, "alive");
    const ended = await make({}, "ended");
    const lost = await make({}, "lost");
    const damaged = await make({}, "damaged");
    for (const container of [alive, ended, lost]) await startContainer(room, container);
    shutdown.abort();
    for (const container of room.registry.list()) container.streams.close();
    Object.assign(tasks.task(ended.id).process, { status: "STOPPED", exitStatus: 9, exitedAt: new Date() });
    tasks.tasks.delete(lost.id);
    writeFileSync(damaged.file("config.v2.json"), '{"ID": "half');

    const containers = await engineUp();
    expect(containers.counts()).toEqual({ total: 3, running: 1, paused: 0, stopped: 2 });
    expect(room.registry.get("alive").state.stored.Pid).toBe(tasks.task(alive.id).process.pid);
    expect(room.registry.get("ended").state.stored.ExitCode).toBe(9);
    expect(room.registry.get("lost").state.stored.ExitCode).toBe(255);
    expect(tasks.tasks.has(ended.id)).toBe(false);
    expect(readdirSync(join(directory, "data", "containers", ".damaged")).length).toBe(1);
    await stopContainer(room, room.registry.get("alive"), { timeout: 1 });
    expect(room.registry.get("alive").state.stored.ExitCode).toBe(143);
  });

  test("a half-made container is cleared, an interrupted removal finished, always started again", async () => {
    const half = await make({}, "half");
    const going = await make({}, "going");
    const always = await make({ HostConfig: { RestartPolicy: { Name: "always" } } }, "always");
    await startContainer(room, always);
    shutdown.abort();
    for (const container of room.registry.list()) container.streams.close();
    rmSync(half.file("config.v2.json"));
    going.state.stored.RemovalInProgress = true;
    room.disk.save(going.record);
    tasks.tasks.delete(always.id);

    await engineUp();
    expect(room.registry.list().map((container) => container.name)).toEqual(["always"]);
    expect(existsSync(half.places.directory)).toBe(false);
    expect(existsSync(going.places.directory)).toBe(false);
    await quiet(room.registry.get("always"));
    const until = Date.now() + 10_000;
    while (room.registry.get("always").state.status !== "running") {
      if (Date.now() > until) throw new Error("was not started with the engine");
      await Bun.sleep(10);
    }
  });
});
