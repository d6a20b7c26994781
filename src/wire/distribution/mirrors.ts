// Registry mirrors (--registry-mirror): each is asked before the registry itself, and whatever one of them fails at goes on with
// the next. moby: distribution/registry.go, endpoints in order.
import type { Reference } from "./reference.ts";
import { RegistryResolver } from "./registry.ts";
import type { BlobStream, Fetcher, Resolved, Resolver } from "./resolver.ts";
import type { RetryPolicy } from "./retry.ts";

export interface Mirror {
  /** Base URL, "https://mirror.example:5000". */
  url: string;
  insecure: boolean;
}

/** A mirror that does not answer must not hold up the pull: the registry itself is next in line. */
const MIRROR_RETRY: RetryPolicy = { attempts: 1, pause: 0, longest: 0 };

export class MirroredResolver implements Resolver {
  constructor(
    private readonly mirrors: readonly Mirror[],
    private readonly origin: Resolver,
    private readonly onFailure: (mirror: string, error: unknown) => void = () => {},
  ) {}

  async resolve(reference: Reference, signal?: AbortSignal): Promise<Resolved> {
    for (const { url, insecure } of this.mirrors) {
      // Without credentials: those are the registry's, not the mirror's.
      const mirror = new RegistryResolver({ endpoint: url, insecure, retry: MIRROR_RETRY });
      try {
        const found = await mirror.resolve(reference, signal);
        const origin = async (): Promise<Fetcher> => {
          const pinned = { ...reference, tag: undefined, digest: found.descriptor.digest };
          return (await this.origin.resolve(pinned, signal)).fetcher;
        };
        const failed = (error: unknown): void => this.onFailure(url, error);
        return { descriptor: found.descriptor, fetcher: new MirroredFetcher(found.fetcher, origin, failed) };
      } catch (error) {
        signal?.throwIfAborted();
        this.onFailure(url, error);
      }
    }
    return await this.origin.resolve(reference, signal);
  }
}

class MirroredFetcher implements Fetcher {
  #origin: Promise<Fetcher> | undefined;

  constructor(
    private readonly mirror: Fetcher,
    private readonly origin: () => Promise<Fetcher>,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  async #either<T>(signal: AbortSignal | undefined, work: (fetcher: Fetcher) => Promise<T>): Promise<T> {
    if (this.#origin) return await work(await this.#origin);
    try {
      return await work(this.mirror);
    } catch (error) {
      signal?.throwIfAborted();
      this.onFailure(error);
      this.#origin ??= this.origin();
      return await work(await this.#origin);
    }
  }

  manifest(digest: string, signal?: AbortSignal): Promise<{ mediaType: string; bytes: Uint8Array }> {
    return this.#either(signal, (fetcher) => fetcher.manifest(digest, signal));
  }

  blob(digest: string, offset: number, signal?: AbortSignal): Promise<BlobStream> {
    return this.#either(signal, (fetcher) => fetcher.blob(digest, offset, signal));
  }
}
