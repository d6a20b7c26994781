// What can go wrong between a client and the engine, in docker's words.

/** The engine answered with a refusal. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  constructor(
    readonly status: number,
    /** The engine's own message. */
    readonly reason: string,
  ) {
    super(`Error response from daemon: ${reason}`);
  }
}

/** Nobody answers at the address. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** The words for a connection that failed. `cause` is what the socket said. */
export function connectionError(
  address: { kind: "unix" | "tcp"; text: string },
  cause: unknown,
): ConnectionError {
  const code = (cause as { code?: string }).code ?? "";
  const message = cause instanceof Error ? cause.message : String(cause);
  if (address.kind === "unix" && (code === "EACCES" || code === "EPERM" || /permission/i.test(message))) {
    return new ConnectionError(
      `permission denied while trying to connect to the Docker daemon socket at ${address.text}`,
    );
  }
  if (/certificate|TLS|SSL/i.test(`${code} ${message}`)) {
    return new ConnectionError(`error during connect: ${address.text}: tls: ${message}`);
  }
  return new ConnectionError(
    `Cannot connect to the Docker daemon at ${address.text}. Is the docker daemon running?`,
  );
}
