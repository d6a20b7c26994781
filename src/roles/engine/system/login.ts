// POST /auth: are these credentials good at that registry?
import type { AuthConfig } from "../../../spec/engine/system.ts";
import type { Engine } from "../engine.ts";
import { notImplemented } from "../errors.ts";

/** Resolves to an identity token, "" when the registry gave none. ApiError 401 with docker's words. */
export async function login(_engine: Engine, _auth: AuthConfig, _signal: AbortSignal): Promise<string> {
  throw notImplemented("checking credentials at a registry is not implemented");
}
