// Names of OCI runtimes → what containerd is told.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../../../store/atomic.ts";
import type { Runtime } from "../engine.ts";
import { badRequest } from "../errors.ts";
import type { EngineConfig, RuntimeConfig } from "./types.ts";

/** containerd's name for our own shim. */
export const OWN_SHIM = "io.containerd.bunker.v2";
/** What a containerd that is not ours has. */
const STOCK_SHIM = "io.containerd.runc.v2";

const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

// A shim calls one binary without arguments of ours: runtimeArgs need a script around it, as in dockerd.
function wrapper(directory: string, name: string, runtime: RuntimeConfig): string {
  const path = join(directory, name.replaceAll("/", "_"));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const words = [runtime.path!, ...runtime.runtimeArgs!].map(shellQuote).join(" ");
  writeAtomic(path, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o700, durable: false });
  return path;
}

/** Throws ApiError 400 for a name that nobody registered. */
export function findRuntime(
  config: Pick<EngineConfig, "runtimes" | "defaultRuntime" | "containerd" | "execRoot">,
  asked: string | undefined,
): Runtime {
  const name = asked || config.defaultRuntime;
  const shim = config.containerd === undefined ? OWN_SHIM : STOCK_SHIM;
  const runtime = Object.hasOwn(config.runtimes, name) ? config.runtimes[name] : undefined;
  if (runtime?.runtimeType) {
    const binary = runtime.options?.["BinaryName"];
    return { name, shim: runtime.runtimeType, binary: typeof binary === "string" ? binary : "" };
  }
  if (runtime?.path) {
    const binary = runtime.runtimeArgs?.length
      ? wrapper(join(config.execRoot, "runtimes"), name, runtime)
      : runtime.path;
    return { name, shim, binary };
  }
  if (runtime || name === STOCK_SHIM) return { name, shim, binary: "" };
  // Any shim may be named by its containerd name.
  if (/^io\.containerd\.[\w.-]+\.v\d+$/.test(name)) return { name, shim: name, binary: "" };
  throw badRequest(`unknown or invalid runtime name: ${name}`);
}
