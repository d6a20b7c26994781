// Capability sets: names to bits, limited to what this process may hand on. config.md#linux-process
import * as constants from "../../../../ffi/constants/capability.ts";
import type { Capabilities } from "../../../spec/oci/runtime.ts";

/** Every capability name, in the order of its number. */
export const CAPABILITY_NAMES: readonly string[] = Object.entries(constants).reduce<string[]>(
  (names, [name, number]) => {
    if (typeof number === "number") names[number] = name;
    return names;
  },
  [],
);

export interface CapabilitySets {
  bounding: bigint;
  effective: bigint;
  inheritable: bigint;
  permitted: bigint;
  ambient: bigint;
}

export const ALL_CAPABILITIES = (1n << BigInt(CAPABILITY_NAMES.length)) - 1n;

/** The sets as bits. What is unknown, or outside `available`, is left out and told to `warn`. */
export function capabilitySets(
  wanted: Capabilities | undefined,
  available: bigint,
  warn: (message: string) => void,
): CapabilitySets {
  const left = new Set<string>();
  const bitsOf = (names: readonly string[] | undefined) => {
    let set = 0n;
    for (const name of names ?? []) {
      const number = CAPABILITY_NAMES.indexOf(name);
      const bit = number < 0 ? 0n : 1n << BigInt(number);
      if (bit & available) set |= bit;
      else left.add(name);
    }
    return set;
  };
  const sets = {
    bounding: bitsOf(wanted?.bounding),
    effective: bitsOf(wanted?.effective),
    inheritable: bitsOf(wanted?.inheritable),
    permitted: bitsOf(wanted?.permitted),
    ambient: bitsOf(wanted?.ambient),
  };
  if (left.size > 0) warn(`ignoring unknown or unavailable capabilities: [${[...left].join(" ")}]`);
  return sets;
}
