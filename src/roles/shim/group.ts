// One shim for several containers: those whose annotations name the same group, which a pod's do.
import { readText } from "../../../ffi/path.ts";
import { GROUP_ANNOTATIONS } from "../../wire/ttrpc/shim-waiting.ts";

/** The id under which a container's shim listens: its group's, or its own. A bundle without a readable spec is its own. */
export function groupOf(bundle: string, id: string): string {
  let annotations: Record<string, unknown> | undefined;
  try {
    const spec = JSON.parse(readText(`${bundle}/config.json`)) as { annotations?: Record<string, unknown> };
    annotations = spec.annotations;
  } catch {
    return id;
  }
  for (const name of GROUP_ANNOTATIONS) {
    const group = annotations?.[name];
    if (typeof group === "string" && group !== "") return group;
  }
  return id;
}
