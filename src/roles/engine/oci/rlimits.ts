// --ulimit → process.rlimits. man 2 getrlimit.
import type { Rlimit } from "../../../spec/oci/runtime.ts";
import { badRequest } from "../errors.ts";

const NAMES: ReadonlySet<string> = new Set([
  "as",
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

export interface UlimitValue {
  name: string;
  soft: number;
  hard: number;
}

/** The kernel's RLIM_INFINITY, -1 in docker's notation. As a double it is 2^64, which JSON writers of ours must not round-trip: see spec.ts. */
export const UNLIMITED = 18446744073709551615n;

/** The engine's defaults with the container's own over them. ApiError 400 for an unknown name or soft > hard. */
export function rlimits(defaults: readonly UlimitValue[], own: readonly UlimitValue[]): Rlimit[] {
  const merged = new Map<string, UlimitValue>();
  for (const limit of [...defaults, ...own]) merged.set(limit.name, limit);
  return [...merged.values()].map(({ name, soft, hard }) => {
    if (!NAMES.has(name)) throw badRequest(`invalid ulimit type: ${name}`);
    if (hard !== -1 && (soft > hard || soft === -1)) {
      throw badRequest(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
    return { type: `RLIMIT_${name.toUpperCase()}`, hard, soft };
  });
}
