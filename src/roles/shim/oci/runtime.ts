// The OCI runtime as the shim asks it: the verbs of a container's life. Two implementations: a program's command line
// (spawned.ts), which any runtime has, and our own runtime in this process (own.ts).
import type { CreateCall, ExecCall } from "../../../wire/oci/resident.ts";

export interface OciOptions {
  /** Binary name or path; "" is our own runtime. */
  binary: string;
  root: string;
  bundle: string;
  systemdCgroup: boolean;
}

/** A verb that failed: `message` is what the runtime itself said last, at level error. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
}

/** `execId` names the files of a command line. */
export type NamedExecCall = ExecCall & { execId: string };

/** Each verb throws RuntimeError with the runtime's own words. */
export interface OciRuntime {
  /** Resolves to the first process's pid. */
  create(call: CreateCall): Promise<number>;
  start(id: string): Promise<void>;
  /** Resolves to the process's pid. */
  exec(call: NamedExecCall): Promise<number>;
  kill(id: string, signal: number, all: boolean): Promise<void>;
  delete(id: string, force: boolean): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** `resources`: the OCI LinuxResources as JSON. */
  update(id: string, resources: Uint8Array): Promise<void>;
}
