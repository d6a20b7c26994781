// POST /session: the connection turns round, and is kept under the client's id until it goes. A build finds it by that id.
import { GrpcConnection } from "../../../../wire/grpc/connection.ts";
import { badRequest } from "../../errors.ts";
import type { Hijack, HijackRoute } from "../../server/hijack.ts";
import { ClientSession } from "./client-session.ts";

/** How long a build waits for a session that it was told of, in milliseconds: its connection may come after the build's. */
const PATIENCE = 5000;

const open = new Map<string, ClientSession>();
const waiting = new Set<() => void>();

/** The session with that id. Throws ApiError 400 when none comes in time, the signal's reason when that fires. */
export async function findSession(id: string, signal: AbortSignal): Promise<ClientSession> {
  const end = AbortSignal.timeout(PATIENCE);
  for (;;) {
    const found = open.get(id);
    if (found && !found.gone) return found;
    signal.throwIfAborted();
    if (end.aborted) throw badRequest(`no active session for ${id}: context deadline exceeded`);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        waiting.delete(wake);
        for (const one of [end, signal]) one.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      for (const one of [end, signal]) one.addEventListener("abort", wake, { once: true });
    });
  }
}

async function serve(hijack: Hijack): Promise<void> {
  const { headers } = hijack.request;
  const text = (name: string): string => [headers[name] ?? ""].flat().join(", ");
  const id = text("x-docker-expose-session-uuid");
  const protocol = text("upgrade");
  if (id === "") throw badRequest("a session needs an id (X-Docker-Expose-Session-Uuid)");
  if (protocol === "") throw badRequest("no upgrade proto in request");
  if (protocol !== "h2c") throw badRequest(`protocol ${protocol} not supported`);
  if (open.has(id)) throw badRequest(`session ${id} already exists`);
  const methods = text("x-docker-expose-session-grpc-method").split(", ").filter(Boolean);
  const session = new ClientSession(id, new GrpcConnection(hijack.accept("")), methods);
  open.set(id, session);
  for (const wake of [...waiting]) wake();
  try {
    await session.closed;
  } finally {
    open.delete(id);
    session.close();
  }
}

export const sessionHijack: HijackRoute = {
  method: "POST",
  path: "/session",
  handle: (_engine, hijack) => serve(hijack),
};
