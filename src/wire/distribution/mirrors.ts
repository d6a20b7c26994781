// Several hosts for one registry: each that may is asked in turn, and whatever one of them fails at goes on with the next.
// moby: distribution/registry.go, endpoints in order; containerd: docs/hosts.md.
import { ServiceError } from "../containerd/services.ts";
import type { ConnectionOptions } from "./connection.ts";
import { CAPABILITIES, type Capability } from "./hosts.ts";
import type { Reference } from "./reference.ts";
import { RegistryResolver, repositoryFetcher } from "./registry.ts";
import type { BlobStream, Fetcher, Resolved, Resolver } from "./resolver.ts";
import type { RetryPolicy } from "./retry.ts";

export interface Mirror {
  /** Base URL, "https://mirror.example:5000". */
  url: string;
  insecure: boolean;
}

/** A host that can be asked. */
export interface Candidate {
  url: string;
  capabilities: readonly Capability[];
  resolver: Resolver;
  fetcher(reference: Reference): Fetcher;
}

/** A mirror that does not answer must not hold up the pull: the next host is in line. */
const MIRROR_RETRY: RetryPolicy = { attempts: 1, pause: 0, longest: 0 };

/** A candidate over the network; `last`: nobody is asked after it, so it is asked as often as any registry. */
export function candidate(
  url: string,
  options: ConnectionOptions,
  last: boolean,
  capabilities: readonly Capability[] = CAPABILITIES,
): Candidate {
  const all = last ? options : { ...options, retry: MIRROR_RETRY };
  return {
    url,
    capabilities,
    resolver: new RegistryResolver(all),
    fetcher: (reference) => repositoryFetcher(reference, all),
  };
}

export class HostsResolver implements Resolver {
  constructor(
    private readonly candidates: readonly Candidate[],
    private readonly onFailure: (url: string, error: unknown) => void = () => {},
  ) {}

  async resolve(reference: Reference, signal?: AbortSignal): Promise<Resolved> {
    const pulling = this.candidates.filter(({ capabilities }) => capabilities.includes("pull"));
    // Whoever may not say what a tag means may still have what a digest means.
    const asked = reference.digest
      ? pulling
      : this.candidates.filter(({ capabilities }) => capabilities.includes("resolve"));
    if (asked.length === 0 || pulling.length === 0)
      throw new ServiceError("NotFound", `no host may be asked for ${reference.domain}/${reference.path}`);
    let failure: unknown;
    const failed = new Set<Candidate>();
    for (const [i, one] of asked.entries()) {
      try {
        const { descriptor, fetcher } = await one.resolver.resolve(reference, signal);
        const chain = pulling
          .filter((host) => !failed.has(host))
          .map((host) => ({
            url: host.url,
            fetcher: host === one ? fetcher : host.fetcher(reference),
          }));
        return { descriptor, fetcher: new ChainedFetcher(chain, this.onFailure) };
      } catch (error) {
        signal?.throwIfAborted();
        if (i < asked.length - 1) this.onFailure(one.url, error);
        failure = error;
        failed.add(one);
      }
    }
    throw failure;
  }
}

/** Asks the first of the hosts, and once it has failed, the next for all that follows. */
class ChainedFetcher implements Fetcher {
  #at = 0;

  constructor(
    private readonly chain: readonly { url: string; fetcher: Fetcher }[],
    private readonly onFailure: (url: string, error: unknown) => void,
  ) {}

  async #ask<T>(signal: AbortSignal | undefined, work: (fetcher: Fetcher) => Promise<T>): Promise<T> {
    for (;;) {
      const at = this.#at;
      const { url, fetcher } = this.chain[at]!;
      try {
        return await work(fetcher);
      } catch (error) {
        signal?.throwIfAborted();
        if (at >= this.chain.length - 1) throw error;
        // Others may have moved on meanwhile.
        if (this.#at === at) {
          this.onFailure(url, error);
          this.#at++;
        }
      }
    }
  }

  manifest(digest: string, signal?: AbortSignal): Promise<{ mediaType: string; bytes: Uint8Array }> {
    return this.#ask(signal, (fetcher) => fetcher.manifest(digest, signal));
  }

  blob(digest: string, offset: number, signal?: AbortSignal): Promise<BlobStream> {
    return this.#ask(signal, (fetcher) => fetcher.blob(digest, offset, signal));
  }
}
