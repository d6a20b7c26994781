// The few fields that are times to the docker CLI, and not just text: a template prints them Go's way.
import { GoTime, isMap, type Value } from "../template/value.ts";

function mark(of: Value, name: string): void {
  if (isMap(of) && typeof of[name] === "string") of[name] = new GoTime(of[name]);
}

/** Marks an image's last tagging, a network's creation and a health check's runs in what `inspect` got. */
export function markTimes(value: Value): void {
  if (!isMap(value)) return;
  mark(value["Metadata"], "LastTagTime");
  if (Object.hasOwn(value, "EnableIPv6")) mark(value, "Created");
  const health = isMap(value["State"]) ? value["State"]["Health"] : undefined;
  const runs = isMap(health) && Array.isArray(health["Log"]) ? health["Log"] : [];
  for (const run of runs) for (const name of ["Start", "End"]) mark(run, name);
}
