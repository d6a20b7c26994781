// Descriptors in what a stream saves for the process that goes on with it.
import type { Fd } from "../../../../ffi/fd.ts";

/** A descriptor as a member of a saved object; left out when it is closed. */
export function held<N extends string>(name: N, fd: Fd | undefined): { [K in N]?: number } {
  return fd && !fd.closed ? ({ [name]: fd.number } as { [K in N]?: number }) : {};
}
