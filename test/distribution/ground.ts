// A containerd on a scratch directory with a Transfer service that loses no time.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDiff } from "../../src/roles/containerd/diff/index.ts";
import { type Containerd, openContainerd } from "../../src/roles/containerd/services.ts";
import { createTransfer } from "../../src/roles/containerd/transfer/index.ts";
import type {
  Image,
  PullRequest,
  Services,
  Transfer,
  TransferProgress,
} from "../../src/wire/containerd/services.ts";
import type { RetryPolicy } from "../../src/wire/distribution/retry.ts";

export const NS = "moby";

export const quick: RetryPolicy = { attempts: 4, pause: 5, longest: 20 };

export class Ground implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    readonly containerd: Containerd,
    readonly services: Services,
    readonly transfer: Transfer,
  ) {}

  /** `store`: layers go through the content store and Diff.apply, as with a remote containerd. */
  static async open(options: { store?: boolean; dir?: string } = {}): Promise<Ground> {
    const dir = options.dir ?? mkdtempSync(join(tmpdir(), "bunker-pull-"));
    const containerd = await openContainerd({
      root: join(dir, "root"),
      state: join(dir, "state"),
      address: join(dir, "containerd.sock"),
    });
    const diff = createDiff(containerd.services.content);
    const services = { ...containerd.services, diff };
    const transfer = createTransfer(services, {
      unpackHere: !options.store,
      retry: quick,
    });
    return new Ground(dir, containerd, services, transfer);
  }

  pull(
    reference: string,
    options: Partial<PullRequest> = {},
    onProgress?: (progress: TransferProgress) => void,
  ): Promise<Image> {
    return this.transfer.pull(NS, { reference, ...options }, onProgress);
  }

  /** The directory of a committed snapshot's own layer. */
  async directory(chainId: string): Promise<string> {
    const snapshotter = this.services.snapshots.snapshotter("");
    const key = `look-${crypto.randomUUID()}`;
    const [mount] = await snapshotter.view(NS, key, chainId);
    await snapshotter.remove(NS, key);
    const lower = mount!.options.find((option) => option.startsWith("lowerdir="))?.slice("lowerdir=".length);
    return lower?.split(":")[0] ?? mount!.source;
  }

  /** What a pull has left behind that no image record holds. */
  async leftovers(): Promise<string[]> {
    const { services } = this;
    const snapshots = await services.snapshots.snapshotter("").list(NS);
    const found = snapshots.filter(({ kind }) => kind !== "Committed").map(({ name }) => `snapshot ${name}`);
    for (const { ref } of await services.content.statuses(NS)) {
      // An ingest may stay, to be resumed; its lock must not.
      const free = await services.content.writer(NS, ref).then(
        (writer) => writer.close().then(() => true),
        () => false,
      );
      if (!free) found.push(`locked ingest ${ref}`);
    }
    for (const { id } of await services.leases.list(NS)) found.push(`lease ${id}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.containerd.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
