// The OCI runtime as functions, for a shim that has our own runtime in its process: what the two rooms agree on. A command line
// costs a start of the program for each verb; this costs nothing but the verb.

/** Descriptors for a process's stdin, stdout and stderr; "ignore" is the null device. */
export type StdioFds = readonly [number | "ignore", number | "ignore", number | "ignore"];

/** What a verb may say beside its result; errors are thrown. */
export type Warn = (message: string) => void;

export interface CreateCall {
  id: string;
  /** Directory of config.json. */
  bundle: string;
  stdio: StdioFds;
  /** Socket that takes the terminal's master. */
  consoleSocket: string | undefined;
  pidFile: string;
  noPivot: boolean;
  noNewKeyring: boolean;
}

export interface ExecCall {
  id: string;
  /** The process document, JSON. */
  process: Uint8Array;
  stdio: StdioFds;
  consoleSocket: string | undefined;
}

/**
 * Verbs of the runtime for the containers below one directory, with the effects, the files and the error words of its command
 * line. Each answers `undefined`, with nothing done, when this container's verb wants a process of its own: because a program of
 * somebody else's takes part (hooks, an agent, systemd), which may take its time or call back, or for rare things that work on the
 * whole process.
 */
export interface ResidentRuntime {
  /** Resolves to the first process's pid. */
  create(call: CreateCall): Promise<number> | undefined;
  start(id: string): Promise<void> | undefined;
  /** Resolves to the process's pid. */
  exec(call: ExecCall): Promise<number> | undefined;
  /** For a container that has stopped. */
  delete(id: string): Promise<void> | undefined;
}

/** Gives the resident runtime for containers whose states lie below `root`. */
export type ResidentRuntimeFor = (root: string, warn: Warn) => ResidentRuntime;
