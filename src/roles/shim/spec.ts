// The few things of config.json that the shim itself goes by.
import { readText } from "../../../ffi/path.ts";
import { JsonLog } from "../../store/jsonlog/writer.ts";
import { ServiceError } from "../../wire/containerd/services.ts";

export interface ShimView {
  annotations: Readonly<Record<string, string>>;
  /** The container has a pid namespace that dies with its init, and every process in it. */
  ownPidNamespace: boolean;
}

/** Reads `<bundle>/config.json`. Throws InvalidArgument when it is missing or no JSON. */
export function readSpec(bundle: string): ShimView {
  const path = `${bundle}/config.json`;
  let spec: {
    annotations?: Record<string, string>;
    linux?: { namespaces?: { type?: string; path?: string }[] };
  };
  try {
    spec = JSON.parse(readText(path));
  } catch (error) {
    throw new ServiceError("InvalidArgument", `${path}: ${(error as Error).message}`);
  }
  const namespaces = Array.isArray(spec?.linux?.namespaces) ? spec.linux.namespaces : [];
  return {
    annotations: spec?.annotations ?? {},
    ownPidNamespace: namespaces.some(({ type, path }) => type === "pid" && !path),
  };
}

function count(annotations: ShimView["annotations"], name: string, otherwise: number): number {
  const text = annotations[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value)) throw new ServiceError("InvalidArgument", `annotation ${name}: ${text}`);
  return value;
}

/** The log that the annotations `bunker.log.*` ask for; undefined when they ask for none. */
export function openJsonLog({ annotations }: ShimView): JsonLog | undefined {
  const path = annotations["bunker.log.path"];
  if (!path) return undefined;
  const driver = annotations["bunker.log.driver"] ?? "json-file";
  if (driver !== "json-file")
    throw new ServiceError(
      "InvalidArgument",
      `annotation bunker.log.driver: ${driver} is not written by the shim`,
    );
  if (!path.startsWith("/"))
    throw new ServiceError("InvalidArgument", `annotation bunker.log.path: ${path} is not absolute`);
  return new JsonLog(path, {
    maxSize: count(annotations, "bunker.log.max-size", -1),
    maxFile: count(annotations, "bunker.log.max-file", 1),
  });
}
