// A container record as a row of the metadata database and back.
import type { AnyValue, ContainerRecord } from "../../../wire/containerd/services.ts";
import { labelsOf } from "../metadata/database.ts";

export interface Row {
  id: string;
  labels: string;
  image: string;
  runtime: string;
  runtime_options_type: string | null;
  runtime_options: Uint8Array | null;
  spec_type: string;
  spec: Uint8Array;
  snapshotter: string;
  snapshot_key: string;
  extensions: string;
  created: number;
  updated: number;
}

interface PackedAny {
  typeUrl: string;
  /** base64 */
  value: string;
}

function unpackExtensions(json: string): Record<string, AnyValue> {
  const packed = JSON.parse(json) as Record<string, PackedAny>;
  return Object.fromEntries(
    Object.entries(packed).map(([name, { typeUrl, value }]) => [
      name,
      { typeUrl, value: new Uint8Array(Buffer.from(value, "base64")) },
    ]),
  );
}

export function record(row: Row): ContainerRecord {
  return {
    id: row.id,
    labels: labelsOf(row.labels),
    image: row.image,
    runtime: {
      name: row.runtime,
      ...(row.runtime_options_type !== null && row.runtime_options !== null
        ? { options: { typeUrl: row.runtime_options_type, value: row.runtime_options } }
        : {}),
    },
    spec: { typeUrl: row.spec_type, value: row.spec },
    snapshotter: row.snapshotter,
    snapshotKey: row.snapshot_key,
    createdAt: new Date(row.created),
    updatedAt: new Date(row.updated),
    extensions: unpackExtensions(row.extensions),
  };
}

/** All columns but namespace and times. */
export function columns(
  one: Omit<ContainerRecord, "createdAt" | "updatedAt">,
): Record<Exclude<keyof Row, "created" | "updated">, string | Uint8Array | null> {
  const extensions: Record<string, PackedAny> = {};
  for (const [name, { typeUrl, value }] of Object.entries(one.extensions)) {
    extensions[name] = { typeUrl, value: Buffer.from(value).toString("base64") };
  }
  return {
    id: one.id,
    labels: JSON.stringify(one.labels),
    image: one.image,
    runtime: one.runtime.name,
    runtime_options_type: one.runtime.options?.typeUrl ?? null,
    runtime_options: one.runtime.options?.value ?? null,
    spec_type: one.spec.typeUrl,
    spec: one.spec.value,
    snapshotter: one.snapshotter,
    snapshot_key: one.snapshotKey,
    extensions: JSON.stringify(extensions),
  };
}
