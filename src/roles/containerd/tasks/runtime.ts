// A runtime's name → the shim program that it means. containerd: core/runtime/v2 (README, "Naming").
import { accessSync, constants } from "node:fs";
import { isAbsolute } from "node:path";
import { type SelfCommand, selfCommand } from "../../../self.ts";
import { invalid } from "../errors.ts";

export const DEFAULT_RUNTIME = "io.containerd.bunker.v2";

/** "io.containerd.runc.v2" → "containerd-shim-runc-v2". Throws InvalidArgument for what is no runtime name. */
export function shimName(runtime: string): string {
  const parts = runtime.split(".");
  if (parts.length < 2 || parts.some((part) => !/^[\w-]+$/.test(part)))
    throw invalid(
      `invalid runtime name ${runtime}, correct runtime name should be either format like \`io.containerd.runc.v2\` or a full path to the binary`,
    );
  return `containerd-shim-${parts.at(-2)}-${parts.at(-1)}`;
}

/** Whether a runtime's shim is this same program, started as no other could be. */
export const isOwnShim = (runtime: string): boolean => runtime === DEFAULT_RUNTIME;

/** The command of a runtime's shim. InvalidArgument when there is none on this machine. */
export function shimCommand(runtime: string): SelfCommand {
  if (isAbsolute(runtime)) {
    try {
      accessSync(runtime, constants.X_OK);
    } catch (error) {
      throw invalid(`runtime ${JSON.stringify(runtime)}: ${(error as Error).message}`);
    }
    return { cmd: [runtime], argv0: runtime };
  }
  const name = shimName(runtime);
  if (runtime === DEFAULT_RUNTIME) return selfCommand(name);
  const path = Bun.which(name);
  if (path) return { cmd: [path], argv0: path };
  // The name that every client asks for is one of ours too, where containerd's own shim is not installed.
  if (name === "containerd-shim-runc-v2") return selfCommand(name);
  throw invalid(
    `runtime ${JSON.stringify(runtime)} binary not installed ${JSON.stringify(name)}: not found in PATH`,
  );
}
