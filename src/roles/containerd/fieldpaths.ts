// Update masks: which part of a record a request replaces.
import type { Labels } from "../../wire/containerd/services.ts";
import { invalid } from "./errors.ts";

/** Labels after an update. An empty value under "labels.<key>" takes that label away, as containerd does. */
export function updateLabels(old: Labels, given: Labels, fieldpaths: readonly string[] | undefined): Labels {
  if (!fieldpaths || fieldpaths.length === 0) return dropEmpty(given);
  let labels: Record<string, string> = { ...old };
  for (const path of fieldpaths) {
    if (path === "labels") labels = { ...given };
    else if (path.startsWith("labels.")) {
      const key = path.slice("labels.".length);
      const value = given[key];
      if (value === undefined || value === "") delete labels[key];
      else labels[key] = value;
    }
  }
  return dropEmpty(labels);
}

function dropEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

/** Throws InvalidArgument for a path that is none of `allowed` (a trailing "." allows whatever follows it). */
export function checkFieldpaths(
  fieldpaths: readonly string[] | undefined,
  allowed: readonly string[],
  what: string,
): void {
  for (const path of fieldpaths ?? []) {
    const known = allowed.some((one) => (one.endsWith(".") ? path.startsWith(one) : path === one));
    if (!known) throw invalid(`cannot update ${JSON.stringify(path)} field on ${what}`);
  }
}
