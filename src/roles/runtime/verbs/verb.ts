// What a verb of the command line is.
import type { StateStore } from "../container/state.ts";
import type { FlagTable, Parsed } from "../flags.ts";

export interface Invocation {
  parsed: Parsed;
  store: StateStore;
  debug: boolean;
  /** --rootless; undefined: auto. */
  rootless: boolean | undefined;
  /** --criu: the program for checkpoint and restore. */
  criu: string;
  /** Containers become scopes of systemd (`--systemd-cgroup`). */
  systemd: boolean;
}

export interface Verb {
  about: string;
  /** Arguments after the flags, for the usage line. */
  usage: string;
  flags: FlagTable;
  /** How many arguments it takes. */
  arguments: { min: number; max: number };
  /** Resolves to the exit code. */
  run(invocation: Invocation): Promise<number>;
}
