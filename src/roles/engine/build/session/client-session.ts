// A build client's session: it opened a connection to us and answers gRPC calls on it. What a build may ask of it.
// BuildKit: session/
import { Health } from "../../../../wire/gen/rpc/health_pb.ts";
import type { GrpcConnection } from "../../../../wire/grpc/connection.ts";

/** As BuildKit's daemon looks after its sessions; two failures in a row end one. */
const LOOK_EVERY = 5000;
const LOOK_TIMEOUT = 15_000;

export class ClientSession {
  readonly closed: Promise<void>;
  readonly #methods: ReadonlySet<string>;
  readonly #looks: Timer;
  #failures = 0;
  #ended = false;

  constructor(
    readonly id: string,
    readonly connection: GrpcConnection,
    /** "/package.Service/Method" of all that the client says it serves; not every client says so. */
    methods: readonly string[],
  ) {
    this.#methods = new Set(methods.map((method) => method.toLowerCase()));
    this.#looks = setInterval(() => void this.#look(), LOOK_EVERY);
    this.#looks.unref();
    this.closed = connection.closed.then(() => {
      this.#ended = true;
      clearInterval(this.#looks);
    });
  }

  get gone(): boolean {
    return this.#ended || this.connection.gone;
  }

  /** Whether the client serves the method. */
  serves(method: { parent: { typeName: string }; name: string }): boolean {
    return this.#methods.has(`/${method.parent.typeName}/${method.name}`.toLowerCase());
  }

  close(): void {
    this.connection.close();
  }

  async #look(): Promise<void> {
    try {
      await this.connection.unary(Health.method.check, {}, { signal: AbortSignal.timeout(LOOK_TIMEOUT) });
      this.#failures = 0;
    } catch {
      if (++this.#failures >= 2) this.close();
    }
  }
}
