// What the client keeps to itself until a step asks for it: files and variables of RUN --mount=type=secret.
import { ServiceError } from "../../../../wire/containerd/services.ts";
import { Secrets } from "../../../../wire/gen/buildkit/secrets_pb.ts";
import type { ClientSession } from "./client-session.ts";

/** The secret with that id; undefined when the client has none of that name, or serves none. Throws ServiceError. */
export async function secretOf(
  session: ClientSession | undefined,
  id: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  if (!session) return undefined;
  try {
    return (await session.connection.unary(Secrets.method.getSecret, { ID: id }, { signal })).data;
  } catch (error) {
    if (error instanceof ServiceError && (error.code === "NotFound" || error.code === "Unimplemented")) {
      return undefined;
    }
    throw error;
  }
}
