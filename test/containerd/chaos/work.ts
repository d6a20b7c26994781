// What clients do until the daemon dies under them: each lane has names of its own, and does one thing after another.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLease } from "../../../src/wire/containerd/lease.ts";
import { type Mount, ServiceError, type Services } from "../../../src/wire/containerd/services.ts";
import { bytesOf, digestOf } from "../suites/ground.ts";
import { Book } from "./book.ts";
import type { TestImage } from "./images.ts";

export const ROOTED = { "containerd.io/gc.root": "chaos" };

/** Everything that was acknowledged so far. */
export class Ledger {
  readonly images = new Book<string>("image");
  readonly blobs = new Book<string>("blob");
  /** Committed snapshots, by the content of their one file. */
  readonly snapshots = new Book<string>("snapshot");
  readonly containers = new Book<TestImage>("container");
  /** Running tasks, by pid. */
  readonly tasks = new Book<number>("task");
}

export interface World {
  services: Services;
  ns: string;
  ledger: Ledger;
  random: () => number;
}

/** A container's OCI spec: busybox sleeping in namespaces of its own. */
const specOf = (ns: string, id: string) =>
  bytesOf(
    JSON.stringify({
      ociVersion: "1.0.2",
      process: {
        user: { uid: 0, gid: 0 },
        args: ["/bin/busybox", "sleep", "1000"],
        env: ["PATH=/bin"],
        cwd: "/",
      },
      root: { path: "rootfs" },
      linux: {
        cgroupsPath: `/${ns}/${id}`,
        namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })),
      },
    }),
  );

const upperOf = ([mount]: Mount[]) =>
  mount!.options.find((option) => option.startsWith("upperdir="))?.slice("upperdir=".length) ?? mount!.source;

/** Pulls the lane's image, or takes it away. */
async function image({ services, ns, ledger, random }: World, { name, digest }: TestImage): Promise<void> {
  const { images } = ledger;
  if (images.value(name) === undefined) {
    await images.change(name, digest, () => services.transfer.pull(ns, { reference: name, insecure: true }));
  } else
    await images.change(name, undefined, () => services.images.delete(ns, name, { sync: random() < 0.5 }));
}

/** Ingests a blob in pieces, or takes one away. */
async function blob({ services, ns, ledger, random }: World, lane: number): Promise<void> {
  const { blobs } = ledger;
  const mine = blobs.present().filter(([, owner]) => owner === `${lane}`);
  if (mine.length >= 3) {
    const [digest] = mine[Math.floor(random() * mine.length)]!;
    return await blobs.change(digest, undefined, () => services.content.delete(ns, digest));
  }
  const bytes = bytesOf(`${random()}`.repeat(1 + Math.floor(random() * 20_000)));
  const digest = digestOf(bytes);
  await blobs.change(digest, `${lane}`, async () => {
    const writer = await services.content.writer(ns, `blob-${digest}`, {
      total: bytes.length,
      expected: digest,
    });
    for (let at = 0; at < bytes.length; at += 65_536) await writer.write(bytes.subarray(at, at + 65_536));
    await writer.commit(bytes.length, digest, ROOTED);
  });
}

/** Makes a committed snapshot with one file, or removes it. */
async function snapshot({ services, ns, ledger, random }: World, lane: number): Promise<void> {
  const { snapshots } = ledger;
  const snapshotter = services.snapshots.snapshotter("overlayfs");
  const name = `snapshot-${lane}`;
  if (snapshots.value(name) !== undefined) {
    return await snapshots.change(name, undefined, () => snapshotter.remove(ns, name));
  }
  const content = `${random()}`.repeat(1000);
  const key = `making-${lane}-${random()}`;
  await snapshots.change(name, digestOf(content), async () => {
    const mounts = await snapshotter.prepare(ns, key, "", ROOTED);
    writeFileSync(join(upperOf(mounts), "file"), content);
    await snapshotter.commit(ns, name, key, ROOTED);
  });
}

async function createContainer({ services, ns, ledger }: World, id: string, of: TestImage): Promise<void> {
  const snapshotter = services.snapshots.snapshotter("overlayfs");
  await ledger.containers.change(id, of, async () => {
    const lease = await services.leases.create(ns, "", {
      "containerd.io/gc.expire": new Date(Date.now() + 3_600_000).toISOString(),
    });
    await withLease(lease.id, async () => {
      await snapshotter.prepare(ns, id, of.chain.at(-1)!);
      await services.containers.create(ns, {
        id,
        labels: {},
        image: of.name,
        runtime: { name: "io.containerd.bunker.v2" },
        spec: { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value: specOf(ns, id) },
        snapshotter: "overlayfs",
        snapshotKey: id,
        extensions: {},
      });
    });
    await services.leases.delete(ns, lease.id);
  });
}

async function startTask({ services, ns, ledger }: World, id: string): Promise<void> {
  await ledger.tasks.make(id, async () => {
    const rootfs = await services.snapshots.snapshotter("overlayfs").mounts(ns, id);
    const io = { stdin: "", stdout: "", stderr: "", terminal: false };
    const { pid } = await services.tasks.create(ns, { containerId: id, rootfs, ...io });
    await services.tasks.start(ns, id);
    return pid;
  });
}

/** Kills a task and deletes it, whatever state it is in. */
export async function endTask({ services, ns }: Pick<World, "services" | "ns">, id: string): Promise<void> {
  const over = services.tasks.wait(ns, id);
  over.catch(() => {});
  try {
    await services.tasks.kill(ns, id, 9);
  } catch (error) {
    if (!(error instanceof ServiceError && error.code === "NotFound")) throw error;
  }
  await over;
  await services.tasks.delete(ns, id);
}

/** The next step of the lane's container: made, started, killed, removed. */
async function container(world: World, lane: number, of: TestImage): Promise<void> {
  const { services, ns, ledger, random } = world;
  const { containers, tasks } = ledger;
  const id = `container-${lane}`;
  if (tasks.value(id) !== undefined) {
    // Some are to be found running.
    if (random() < 0.5) await tasks.change(id, undefined, () => endTask(world, id));
    return;
  }
  if (containers.value(id) === undefined) {
    if (ledger.images.value(of.name) === undefined) return await image(world, of);
    return await createContainer(world, id, of);
  }
  if (random() < 0.7) return await startTask(world, id);
  await containers.change(id, undefined, async () => {
    await services.snapshots.snapshotter("overlayfs").remove(ns, id);
    await services.containers.delete(ns, id);
  });
}

/** One lane's work, until a call fails. Rejects with that failure. */
export async function work(world: World, lane: number, of: TestImage, onStep: () => void): Promise<never> {
  for (; ; onStep()) {
    const dice = world.random();
    if (dice < 0.25) await image(world, of);
    else if (dice < 0.45) await blob(world, lane);
    else if (dice < 0.6) await snapshot(world, lane);
    else await container(world, lane, of);
  }
}
