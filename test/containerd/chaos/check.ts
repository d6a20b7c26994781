// After a restart: all that was acknowledged is there and whole, what was taken away is gone, and nothing else is left.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mountOption, splitLower } from "../../../src/store/changes/trees.ts";
import { type Mount, ServiceError, type Services } from "../../../src/wire/containerd/services.ts";
import { until } from "../../support/process.ts";
import { digestOf } from "../suites/ground.ts";
import type { TestImage } from "./images.ts";
import { endTask, type World } from "./work.ts";

export interface Place {
  root: string;
  state: string;
  address: string;
}

async function orNotFound<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ServiceError && error.code === "NotFound") return undefined;
    throw error;
  }
}

const fail = (text: string): never => {
  throw new Error(`inconsistent after the restart: ${text}`);
};

async function wholeBlob({ content }: Services, ns: string, digest: string): Promise<void> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of content.read(ns, digest)) hash.update(chunk);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== digest) fail(`blob ${digest} has the bytes of ${found}`);
}

/** The directories that a mount stacks, the uppermost first. */
function layersOf([mount]: Mount[]): string[] {
  const { type, source, options } = mount!;
  return type === "overlay" ? splitLower(mountOption(options, "lowerdir") ?? "") : [source];
}

function wholeFile(layers: string[], path: string, digest: string, what: string): void {
  const found = layers.map((layer) => join(layer, path)).find((file) => existsSync(file));
  if (!found) fail(`${what} has no ${path}`);
  else if (digestOf(readFileSync(found)) !== digest) fail(`${path} of ${what} is damaged`);
}

/** The image's record, its blobs, and its tree as it is unpacked. */
async function wholeImage({ services, ns }: World, image: TestImage): Promise<void> {
  const { target } = await services.images.get(ns, image.name);
  if (target.digest !== image.digest) fail(`image ${image.name} points to ${target.digest}`);
  for (const digest of image.documents) await wholeBlob(services, ns, digest);
  // A layer that was unpacked already, for a container, is not fetched again.
  for (const digest of image.layers) {
    if (await orNotFound(services.content.info(ns, digest))) await wholeBlob(services, ns, digest);
  }
  const snapshotter = services.snapshots.snapshotter("overlayfs");
  for (const name of image.chain) {
    if ((await snapshotter.stat(ns, name)).kind !== "Committed") fail(`layer ${name} is not committed`);
  }
  const layers = layersOf(await snapshotter.view(ns, "look", image.chain.at(-1)!));
  for (const { path, digest } of image.files) wholeFile(layers, path, digest, image.name);
  await snapshotter.remove(ns, "look");
}

async function wholeSnapshot({ services, ns }: World, name: string, digest: string): Promise<void> {
  const snapshotter = services.snapshots.snapshotter("overlayfs");
  if ((await snapshotter.stat(ns, name)).kind !== "Committed") fail(`snapshot ${name} is not committed`);
  wholeFile(layersOf(await snapshotter.view(ns, "look", name)), "file", digest, `snapshot ${name}`);
  await snapshotter.remove(ns, "look");
}

const alive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** What was acknowledged is there; what was not answered is looked up, and taken for what it is. */
export async function checkAcknowledged(world: World, images: readonly TestImage[]): Promise<void> {
  const { services, ns, ledger } = world;
  const imageOf = (name: string) => images.find((one) => one.name === name)!;
  for (const [name] of ledger.images.unknown()) {
    const there = await orNotFound(services.images.get(ns, name));
    ledger.images.settle(name, there?.target.digest);
  }
  for (const [name] of ledger.images.present()) await wholeImage(world, imageOf(name));
  for (const name of ledger.images.absent()) {
    if (await orNotFound(services.images.get(ns, name))) fail(`image ${name} is back`);
  }

  for (const [digest, { before, after }] of ledger.blobs.unknown()) {
    const there = await orNotFound(services.content.info(ns, digest));
    ledger.blobs.settle(digest, there && (before ?? after));
  }
  for (const [digest] of ledger.blobs.present()) await wholeBlob(services, ns, digest);
  for (const digest of ledger.blobs.absent()) {
    if (await orNotFound(services.content.info(ns, digest))) fail(`blob ${digest} is back`);
  }

  const snapshotter = services.snapshots.snapshotter("overlayfs");
  for (const [name, { before, after }] of ledger.snapshots.unknown()) {
    const there = await orNotFound(snapshotter.stat(ns, name));
    ledger.snapshots.settle(name, there && (before ?? after));
  }
  for (const [name, digest] of ledger.snapshots.present()) await wholeSnapshot(world, name, digest);
  // One that was never committed is its client's to remove: it rooted it.
  for (const { name } of await snapshotter.list(ns)) {
    if (name.startsWith("making-")) await snapshotter.remove(ns, name);
  }

  for (const [id, { before, after }] of ledger.containers.unknown()) {
    const there = await orNotFound(services.containers.get(ns, id));
    ledger.containers.settle(id, there && (before ?? after));
    // So is a creation that stopped between its snapshot, which its lease holds still, and its record.
    if (!there) await orNotFound(snapshotter.remove(ns, id));
    // A deletion that stopped between its two halves is ended.
    if (there && before && !(await orNotFound(snapshotter.stat(ns, id)))) {
      await services.containers.delete(ns, id);
      ledger.containers.settle(id, undefined);
    }
  }
  for (const [id] of ledger.containers.present()) {
    if ((await services.containers.get(ns, id)).snapshotKey !== id) fail(`container ${id} lost its snapshot`);
    await snapshotter.mounts(ns, id);
  }
  for (const id of ledger.containers.absent()) {
    if (await orNotFound(services.containers.get(ns, id))) fail(`container ${id} is back`);
  }

  for (const [id, pid] of ledger.tasks.present()) {
    const task = await services.tasks.get(ns, id);
    if (task.status !== "RUNNING" || task.pid !== pid || !alive(pid))
      fail(`task ${id} is ${task.status} with pid ${task.pid}, not running with ${pid}`);
  }
  // Neither answered nor wanted: whatever there is goes.
  for (const [id] of ledger.tasks.unknown()) {
    if (await orNotFound(services.tasks.get(ns, id))) await endTask(world, id);
    ledger.tasks.settle(id, undefined);
  }
  for (const id of ledger.tasks.absent()) {
    if (await orNotFound(services.tasks.get(ns, id))) fail(`task ${id} is back`);
  }
}

const names = (directory: string) => (existsSync(directory) ? readdirSync(directory) : []);
/** Fails unless all that was found is wanted or allowed, and all that is wanted was found. */
const same = (
  what: string,
  found: Iterable<string>,
  wanted: Iterable<string>,
  allowed: Iterable<string> = [],
) => {
  const [have, want] = [new Set(found), new Set(wanted)];
  const may = new Set([...want, ...allowed]);
  const more = [...have].filter((one) => !may.has(one));
  const less = [...want].filter((one) => !have.has(one));
  if (more.length > 0) fail(`${what} that nothing refers to: ${more.join(", ")}`);
  if (less.length > 0) fail(`${what} missing: ${less.join(", ")}`);
};

/** Shims of this containerd, by the ids of their containers. */
function shims(address: string): string[] {
  return names("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        const at = words.indexOf("-id");
        return at > 0 && words.includes(address) ? [words[at + 1]!] : [];
      } catch {
        return [];
      }
    });
}

/** Takes stock after the collector has run, of a root that was made older: nothing is spared. */
export async function checkCollected(
  { services, ns, ledger }: World,
  images: readonly TestImage[],
  place: Place,
): Promise<void> {
  const { id } = await services.leases.create(ns, "");
  await services.leases.delete(ns, id, { sync: true });

  const held = images.filter(({ name }) => ledger.images.value(name) !== undefined);
  const containers = ledger.containers.present();
  const bases = [...held, ...containers.map(([, image]) => image)];
  const blobs = [
    ...held.flatMap(({ documents }) => documents),
    ...ledger.blobs.present().map(([digest]) => digest),
  ];
  const layers = held.flatMap((image) => image.layers);
  same(
    "blobs",
    (await services.content.list(ns)).map(({ digest }) => digest),
    blobs,
    layers,
  );
  const store = join(place.root, "io.containerd.content.v1.content");
  same(
    "blob files",
    names(join(store, "blobs", "sha256")).map((hex) => `sha256:${hex}`),
    (await services.content.list(ns)).map(({ digest }) => digest),
  );
  same(
    "ingests",
    (await services.content.statuses(ns)).map(({ ref }) => ref),
    [],
  );
  same("ingest directories", names(join(store, "ingest")), []);

  const snapshots = (await services.snapshots.snapshotter("overlayfs").list(ns)).map(({ name }) => name);
  same("snapshots", snapshots, [
    ...bases.flatMap(({ chain }) => chain),
    ...containers.map(([name]) => name),
    ...ledger.snapshots.present().map(([name]) => name),
  ]);
  const directories = names(join(place.root, "io.containerd.snapshotter.v1.overlayfs", "snapshots"));
  if (directories.length !== snapshots.length)
    fail(
      `${directories.length} snapshot directories (${directories.join(" ")}) for ${snapshots.length} snapshots`,
    );
  same(
    "leases",
    (await services.leases.list(ns)).map((lease) => lease.id),
    [],
  );
}

/** What runs is what was acknowledged: no task, bundle, shim, mount or cgroup besides. */
export async function checkRunning({ services, ns, ledger }: World, place: Place): Promise<void> {
  const running = ledger.tasks.present().map(([task]) => task);
  same(
    "tasks",
    (await services.tasks.list(ns)).map(({ containerId }) => containerId),
    running,
  );
  same("bundles", names(join(place.state, "io.containerd.runtime.v2.task", ns)), running);
  // A shim that was told to go is on its way for a moment.
  await until(
    "shims without a task to end",
    () => shims(place.address).every((shim) => running.includes(shim)),
    5000,
  ).catch(() => {});
  same("shims", shims(place.address), running);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${place.root}/`) || point.startsWith(`${place.state}/`));
  same(
    "mounts",
    mounts,
    running.map((task) => join(place.state, "io.containerd.runtime.v2.task", ns, task, "rootfs")),
  );
  for (const controller of names("/sys/fs/cgroup")) {
    const below = join("/sys/fs/cgroup", controller, ns);
    same(
      `cgroups of ${controller}`,
      names(below).filter((name) => name.startsWith("container-")),
      existsSync(below) ? running : [],
    );
  }
}
