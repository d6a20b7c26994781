// The containerd role put together: all services on one root, usable in-process and served on a socket.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../../../ffi/flock.ts";
import { answersUnix } from "../../../ffi/socket.ts";
import { socketPath } from "../../wire/containerd/address.ts";
import type { Services } from "../../wire/containerd/services.ts";
import { defaultRetry } from "../../wire/distribution/retry.ts";
import { LocalContainers } from "./containers/store.ts";
import { BlobFiles } from "./content/blobs.ts";
import { Ingests } from "./content/ingests.ts";
import { LocalContent } from "./content/store.ts";
import { createDiff } from "./diff/index.ts";
import { EventBus } from "./events/bus.ts";
import { collect } from "./gc/collect.ts";
import { Collector } from "./gc/schedule.ts";
import { LocalImages } from "./images/store.ts";
import { LocalIntrospection, localVersion } from "./introspection/introspection.ts";
import { plugins } from "./introspection/plugins.ts";
import { LocalLeases } from "./leases/store.ts";
import { Metadata } from "./metadata/database.ts";
import { LocalNamespaces } from "./namespaces/store.ts";
import { SnapshotDirectories } from "./snapshots/directories.ts";
import { OverlaySnapshotter, snapshotters } from "./snapshots/overlayfs.ts";
import { recover } from "./snapshots/recover.ts";
import { createTasks } from "./tasks/index.ts";
import { createTransfer } from "./transfer/index.ts";

export interface ContainerdOptions {
  /** What outlives a reboot: metadata, content, snapshots. */
  root: string;
  /** What does not: sockets, bundles, runtime state. */
  state: string;
  /** The gRPC socket, which shims are told; ttrpc is served beside it under the name + ".ttrpc". */
  address: string;
  /** Where a task's bundle lies; default `<state>/io.containerd.runtime.v2.task/<ns>/<id>`. */
  bundle?: (ns: string, id: string) => string;
  /** How often a download is tried in all. */
  downloadAttempts?: number;
  /** Directory of hosts.toml files: which hosts stand for a registry. */
  hostsDir?: string;
}

export interface Containerd {
  services: Services;
  /** Serves gRPC on the socket. Resolves when it accepts connections. */
  serve(address: string): Promise<void>;
  /** Ends serving, the collector and the database. Containers live on with their shims. */
  close(): Promise<void>;
}

/** Opens the containerd on `root`. Throws when another process has it open. */
export async function openContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { root, state } = options;
  // Before anything is made: a second daemon leaves no trace.
  const socket = socketPath(options.address);
  if (existsSync(socket) && answersUnix(socket)) {
    throw new Error(`${socket} is in use: another containerd answers there`);
  }
  mkdirSync(root, { recursive: true, mode: 0o711 });
  mkdirSync(state, { recursive: true, mode: 0o711 });
  const lock = tryLock(join(root, "containerd.lock"));
  if (!lock) throw new Error(`containerd root ${root} is in use by another containerd`);
  const ending: (() => Promise<void> | void)[] = [() => lock.close()];
  const close = async () => {
    for (let end = ending.pop(); end; end = ending.pop()) await end();
  };
  try {
    const meta = new Metadata(root);
    ending.push(() => meta.close());
    const contentRoot = join(root, "io.containerd.content.v1.content");
    const snapshotRoot = join(root, "io.containerd.snapshotter.v1.overlayfs");
    const blobs = new BlobFiles(contentRoot);
    const ingests = new Ingests(contentRoot);
    const directories = new SnapshotDirectories(snapshotRoot);
    await recover(meta, directories);
    const events = new EventBus();
    const gc = new Collector((exact) => collect({ meta, events, blobs, ingests, directories }, exact));
    ending.push(() => gc.close());
    const content = new LocalContent(meta, events, gc, blobs, ingests);
    const snapshots = snapshotters(new OverlaySnapshotter(meta, events, gc, directories));
    const images = new LocalImages(meta, events, gc);
    const leases = new LocalLeases(meta, gc);
    const diff = createDiff(content);
    const containers = new LocalContainers(meta, events, gc);
    const tasks = createTasks({
      containers,
      events,
      state,
      address: options.address,
      ...(options.bundle ? { bundle: options.bundle } : {}),
    });
    ending.push(() => tasks.close());
    const services: Services = {
      namespaces: new LocalNamespaces(meta, events),
      content,
      images,
      containers,
      snapshots,
      leases,
      events,
      tasks,
      version: localVersion,
      introspection: new LocalIntrospection(root, plugins(contentRoot, snapshotRoot)),
      diff,
      transfer: createTransfer(
        { content, images, snapshots, leases, diff },
        {
          unpackHere: true,
          ...(options.hostsDir === undefined ? {} : { hostsDir: options.hostsDir }),
          ...(options.downloadAttempts
            ? { retry: { ...defaultRetry, attempts: options.downloadAttempts } }
            : {}),
        },
      ),
    };
    gc.soon();
    return {
      services,
      async serve(address) {
        // gRPC is only loaded by who serves it.
        const { serve } = await import("../../wire/containerd/server/serve.ts");
        const serving = await serve(services, address);
        ending.push(() => serving.close());
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
