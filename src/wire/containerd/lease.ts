// The lease that a piece of work happens under. In containerd it rides in the context (gRPC metadata `containerd-lease`):
// whatever is made in it belongs to the lease from its first instant, so that the garbage collector never sees it bare.
import { AsyncLocalStorage } from "node:async_hooks";

const storage = new AsyncLocalStorage<string>();

/** gRPC metadata key. */
export const LEASE_HEADER = "containerd-lease";

/** Runs `work` so that the ingests, blobs and snapshots it makes (here, or over gRPC) belong to the lease. */
export function withLease<T>(lease: string | undefined, work: () => T): T {
  return lease === undefined || lease === "" ? work() : storage.run(lease, work);
}

/** The lease in force, if any. */
export const currentLease = (): string | undefined => storage.getStore();
