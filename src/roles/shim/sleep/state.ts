// The shim's whole state as one document: what it hands to itself when it sleeps, wakes, or becomes a newer version.
import { MFD_CLOEXEC } from "../../../../ffi/constants/memfd.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { pread, write } from "../../../../ffi/file.ts";
import { cstr, syscall } from "../../../../ffi/libc.ts";
import type { SavedConnection } from "../../../wire/ttrpc/server.ts";
import type { SavedContainer } from "../container.ts";
import type { SavedEvents } from "../publisher.ts";
import type { SavedStdio } from "../stdio/stdio.ts";

declare const BUNKER_STATE_FORMAT: number | undefined;

/** Counts up when a reader of the older format would go wrong. Tests build a version that has another. */
export const STATE_FORMAT: number = typeof BUNKER_STATE_FORMAT === "number" ? BUNKER_STATE_FORMAT : 1;

export interface ShimState {
  format: number;
  containers: SavedContainer[];
  connections: SavedConnection[];
  events: SavedEvents;
  /** Descriptors that only the sleep needed; whoever wakes closes them. */
  temporary: number[];
  /** Milliseconds: how long the shim stays awake without reason, and when it went to sleep (of the epoch). */
  patience: number;
  asleepSince: number;
}

/** Variable that tells a starting shim the descriptor of the state it goes on with. */
export const RESUME = "BUNKER_SHIM_RESUME";

// JSON has no bytes.
const BYTES = "$bytes";
const replacer = (_key: string, value: unknown) =>
  value instanceof Uint8Array ? { [BYTES]: Buffer.from(value).toString("base64") } : value;
const reviver = (_key: string, value: unknown) => {
  const text = (value as Record<string, unknown> | null)?.[BYTES];
  return typeof text === "string" ? new Uint8Array(Buffer.from(text, "base64")) : value;
};

/** The state in a memfd. */
export function writeState(state: ShimState): Fd {
  const fd = new Fd(syscall("memfd_create", "shim state", cstr("shim-state"), MFD_CLOEXEC), "shim state");
  const bytes = new TextEncoder().encode(JSON.stringify(state, replacer));
  for (let at = 0; at < bytes.length; ) at += write(fd, bytes.subarray(at));
  return fd;
}

/** Reads a state. Throws when it is of a format that this version does not know. */
export function readState(fd: Fd): ShimState {
  const parts: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const part = new Uint8Array(1 << 16);
    const got = pread(fd, part, at);
    if (got === 0) break;
    parts.push(part.subarray(0, got));
    at += got;
  }
  const state = JSON.parse(Buffer.concat(parts).toString("utf8"), reviver) as ShimState;
  if (state.format !== STATE_FORMAT)
    throw new Error(`shim state of format ${state.format}: this version knows ${STATE_FORMAT}`);
  return state;
}

/** Every descriptor of a state, and which of them are worth waking for. */
export function descriptors({ containers, connections }: ShimState): { keep: number[]; wakers: number[] } {
  const keep: number[] = [];
  const wakers = connections.map(({ fd }) => fd);
  const streams = ({ stdout, stderr, input, master }: SavedStdio) => {
    for (const output of [stdout, stderr]) {
      if (output.kind === "none") continue;
      if (output.kind === "direct") keep.push(output.keeper ?? -1);
      else {
        wakers.push(output.source ?? -1);
        keep.push(output.goal?.outlet ?? -1, output.goal?.keeper ?? -1);
      }
    }
    wakers.push(input?.source ?? -1);
    keep.push(input?.keeper ?? -1, master ?? -1);
  };
  for (const { init, execs, jsonLog } of containers) {
    keep.push(jsonLog?.fd ?? -1);
    for (const { stdio } of [init, ...execs]) if (stdio) streams(stdio);
  }
  const real = wakers.filter((fd) => fd >= 0);
  return { keep: [...keep.filter((fd) => fd >= 0), ...real], wakers: real };
}
