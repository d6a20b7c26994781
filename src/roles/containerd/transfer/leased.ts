// The frame of every transfer: throttled progress, a lease for what it brings, and one way to end.
import { randomUUID } from "node:crypto";
import { withLease } from "../../../wire/containerd/lease.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Report, Throttle } from "./progress.ts";
import type { PullServices } from "./session.ts";

/** Longest that a transfer's lease holds what a killed one left behind. */
const LEASE_LIFE_MS = 24 * 60 * 60 * 1000;

/** Labels of a lease that ends by itself. */
export const expiring = () => ({
  "containerd.io/gc.expire": new Date(Date.now() + LEASE_LIFE_MS).toISOString(),
});

/** Runs a transfer with its progress throttled. What its caller gave up ends as Canceled, in one wording. */
export async function transferring<T>(
  signal: AbortSignal | undefined,
  onProgress: Report,
  work: (report: Report) => Promise<T>,
): Promise<T> {
  const throttle = new Throttle(onProgress);
  try {
    return await work(throttle.report);
  } catch (error) {
    if (!signal?.aborted) throw error;
    if (signal.reason instanceof ServiceError) throw signal.reason;
    throw new ServiceError("Canceled", "context canceled", { cause: error });
  } finally {
    throttle.close();
  }
}

/** Runs `work` under a lease of its own, whose name begins with `what`; the lease is gone afterwards. */
export async function leased<T>(
  services: PullServices,
  ns: string,
  what: string,
  work: (lease: string) => Promise<T>,
): Promise<T> {
  const name = `${what}-${Date.now()}-${randomUUID().slice(0, 8)}`;
  const { id } = await services.leases.create(ns, name, expiring());
  try {
    return await withLease(id, () => work(id));
  } finally {
    await services.leases.delete(ns, id).catch(() => {});
  }
}
