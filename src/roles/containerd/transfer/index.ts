// The Transfer service: pulls that meet at the same image become one.
import { droppingPages } from "../../../../ffi/give-back.ts";
import { log } from "../../../observe/log.ts";
import { span } from "../../../observe/trace.ts";
import {
  type Image,
  type PullRequest,
  ServiceError,
  type Transfer,
  type TransferProgress,
} from "../../../wire/containerd/services.ts";
import { registryHost } from "../../../wire/distribution/connection.ts";
import type { Reference } from "../../../wire/distribution/reference.ts";
import type { Resolver } from "../../../wire/distribution/resolver.ts";
import { defaultRetry, type RetryPolicy } from "../../../wire/distribution/retry.ts";
import { exportImages } from "./export.ts";
import { importImages } from "./import.ts";
import { abortable, KeyedLock } from "./keyed-lock.ts";
import { type PullGround, pull } from "./pull.ts";
import { push } from "./push.ts";
import type { PullServices } from "./session.ts";

export interface TransferOptions {
  /** Whether layers are unpacked by this process as they come in: content and snapshots are its own. */
  unpackHere?: boolean;
  /** Where images come from; registries, and this binary for bunker.internal, unless given. */
  resolver?: PullGround["resolver"];
  retry?: RetryPolicy;
  /** Directory of hosts.toml files, for requests that name none. */
  hostsDir?: string;
}

/** A pull under way, with all who wait for it. */
interface Running {
  result: Promise<Image>;
  controller: AbortController;
  waiters: Set<(progress: TransferProgress) => void>;
  /** The last report about each blob, for those who join late. */
  latest: Map<string, TransferProgress>;
}

/** The Transfer service over the services of a containerd, local or remote. */
export function createTransfer(services: PullServices, options: TransferOptions = {}): Transfer {
  const retry = options.retry ?? defaultRetry;
  const ground: PullGround = {
    services,
    unpackHere: options.unpackHere ?? false,
    resolver:
      options.resolver ??
      ((reference, request) =>
        resolverFor(reference, { ...request, hostsDir: request.hostsDir ?? options.hostsDir }, retry)),
    retry,
    locks: new KeyedLock(),
  };
  const running = new Map<string, Running>();

  const start = (key: string, ns: string, request: PullRequest): Running => {
    const controller = new AbortController();
    const waiters: Running["waiters"] = new Set();
    const latest: Running["latest"] = new Map();
    const ended = span("containerd", `pull ${request.reference}`);
    const dropping = droppingPages();
    const result = pull(ground, ns, request, controller.signal, (progress) => {
      latest.set(progress.id ?? "", progress);
      for (const waiter of waiters) waiter(progress);
    }).finally(() => {
      ended();
      dropping[Symbol.dispose]();
      if (running.get(key) === entry) running.delete(key);
    });
    result.catch(() => {});
    const entry: Running = { result, controller, waiters, latest };
    running.set(key, entry);
    return entry;
  };

  return {
    async pull(ns, request, onProgress) {
      const { signal, ...rest } = request;
      if (signal?.aborted) throw canceled(signal.reason);
      const key = JSON.stringify([ns, rest]);
      let entry = running.get(key);
      if (entry) for (const progress of entry.latest.values()) onProgress?.(progress);
      entry ??= start(key, ns, rest);
      const waiter = (progress: TransferProgress) => onProgress?.(progress);
      entry.waiters.add(waiter);
      try {
        return await abortable(entry.result, signal);
      } catch (error) {
        throw signal?.aborted && !(error instanceof ServiceError) ? canceled(error) : error;
      } finally {
        entry.waiters.delete(waiter);
        // Nobody wants it any more. Wait until it has cleaned up: the caller may take the data root away.
        if (entry.waiters.size === 0 && signal?.aborted) {
          if (running.get(key) === entry) running.delete(key);
          entry.controller.abort(signal.reason);
          await entry.result.catch(() => {});
        }
      }
    },
    export: (ns, request) => exportImages(services, ns, request),
    import: (ns, archive, request = {}, onProgress = () => {}) =>
      importImages(ground, ns, archive, request, onProgress),
    async push(ns, request, onProgress) {
      const ended = span("containerd", `push ${request.reference}`);
      try {
        return await push({ services, retry, hostsDir: options.hostsDir }, ns, request, (progress) =>
          onProgress?.(progress),
        );
      } finally {
        ended();
      }
    },
  };
}

const canceled = (cause: unknown) => new ServiceError("Canceled", "context canceled", { cause });

async function resolverFor(
  reference: Reference,
  request: PullRequest,
  retry: RetryPolicy,
): Promise<Resolver> {
  const { EMBEDDED_DOMAIN, embeddedResolver } = await import("../../../embedded/resolver.ts");
  if (reference.domain === EMBEDDED_DOMAIN) return embeddedResolver;
  const own = { auth: request.auth, insecure: request.insecure, retry };
  const { candidate, HostsResolver } = await import("../../../wire/distribution/mirrors.ts");
  const { readHosts } = await import("../../../wire/distribution/hosts.ts");
  const hosts = request.hostsDir === undefined ? undefined : readHosts(request.hostsDir, reference.domain);
  const mirrors = (request.mirrors ?? []).map(({ url, insecure }) =>
    // Without credentials: those are the registry's, not the mirror's.
    candidate(url, { endpoint: url, insecure }, false),
  );
  const named = hosts?.map(({ url, capabilities, options }, i) =>
    candidate(
      url,
      isRegistry(url, reference) ? { ...own, ...options } : { ...options, retry },
      i === hosts.length - 1,
      capabilities,
    ),
  );
  return new HostsResolver(
    [...mirrors, ...(named ?? [candidate(reference.domain, own, true)])],
    (host, error) => log("info", "Attempting next endpoint for pull after error", { mirror: host, error }),
  );
}

/** Whether a host is the registry itself, which the caller's credentials are for. */
function isRegistry(url: string, { domain }: Reference): boolean {
  return url === "" || new URL(url).host === registryHost(domain);
}
