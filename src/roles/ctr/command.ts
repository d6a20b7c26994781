// The shape of ctr's verbs.
import type { Services, Transfer } from "../../wire/containerd/services.ts";
import type { FlagSpec, Flags } from "./flags.ts";

export interface Invocation {
  /** Connects at the first use. */
  services(): Promise<Services>;
  /** What moves images: the daemon, or this program where the daemon cannot or --local says so. */
  transfer(): Promise<Transfer>;
  ns: string;
  /** The containerd socket that was named. */
  address: string;
  flags: Flags;
  args: string[];
  /** Writes to stdout. */
  out(text: string): void;
}

export interface Command {
  /** The full name first, then the short ones. */
  names: readonly string[];
  about: string;
  /** What follows the name in the usage line. */
  use: string;
  flags?: readonly FlagSpec[];
  run(invocation: Invocation): Promise<number | undefined>;
}

export interface Group {
  about: string;
  /** Flags between the group's name and the verb. */
  flags?: readonly FlagSpec[];
  commands: readonly Command[];
}

/** A complaint that is printed as "ctr: …". */
export class UsageError extends Error {}

export const QUIET = (about: string): FlagSpec => ({ name: "quiet", aliases: ["q"], kind: "boolean", about });

export const LOCAL: FlagSpec = {
  name: "local",
  kind: "boolean",
  about: "let this program move the image rather than the transfer service",
};

export const SNAPSHOTTER: FlagSpec = {
  name: "snapshotter",
  kind: "string",
  about: "snapshotter name. Empty value stands for the default value.",
  environment: "CONTAINERD_SNAPSHOTTER",
};
