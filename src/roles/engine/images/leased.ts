// Work that makes blobs and snapshots, under a lease: until an image record holds them, nothing else keeps the collector off.
import { randomUUID } from "node:crypto";
import { currentLease, withLease } from "../../../wire/containerd/lease.ts";
import type { LeaseResource, Services } from "../../../wire/containerd/services.ts";

/** What an engine that dies in the middle leaves is held no longer than this. */
const LIFE_MS = 24 * 60 * 60 * 1000;

/** Runs `work` under a new lease, or under the one that is in force already. */
export async function leased<T>(
  services: Pick<Services, "leases">,
  namespace: string,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  if (currentLease() !== undefined) return await work();
  const { leases } = services;
  const expire = new Date(Date.now() + LIFE_MS).toISOString();
  const { id } = await leases.create(namespace, `${what}-${randomUUID()}`, {
    "containerd.io/gc.expire": expire,
  });
  try {
    return await withLease(id, work);
  } finally {
    await leases.delete(namespace, id).catch(() => {});
  }
}

/** Puts what was there before under the lease in force: its last owner may go while we count on it. */
export async function hold(
  { leases }: Pick<Services, "leases">,
  namespace: string,
  resource: LeaseResource,
): Promise<void> {
  const lease = currentLease();
  if (lease !== undefined) await leases.addResource(namespace, lease, resource);
}
