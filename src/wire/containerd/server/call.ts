// What a handler knows of its call besides the message: the namespace, the lease, and whether the caller is still there.
import type { Metadata } from "@grpc/grpc-js";
import { LEASE_HEADER } from "../lease.ts";
import { NAMESPACE_HEADER } from "../namespace.ts";
import { ServiceError } from "../services.ts";

/** The part of grpc-js's calls that is used here. */
interface Surface {
  metadata: Metadata;
  cancelled: boolean;
  on(event: "cancelled", listener: () => void): unknown;
}

export class Call {
  readonly #on: Surface;
  readonly #abort = new AbortController();

  constructor(on: Surface) {
    this.#on = on;
    on.on("cancelled", () => this.#abort.abort());
    if (on.cancelled) this.#abort.abort();
  }

  #header(name: string): string | undefined {
    const value = this.#on.metadata.get(name)[0];
    return value === undefined || value === "" ? undefined : String(value);
  }

  /** The namespace to act in. Throws FailedPrecondition without one, as containerd does. */
  get namespace(): string {
    const ns = this.#header(NAMESPACE_HEADER);
    if (ns === undefined)
      throw new ServiceError("FailedPrecondition", "namespace is required: failed precondition");
    return ns;
  }

  get lease(): string | undefined {
    return this.#header(LEASE_HEADER);
  }

  /** Aborted when the caller goes away, and when the call is over. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  end(): void {
    this.#abort.abort();
  }
}
