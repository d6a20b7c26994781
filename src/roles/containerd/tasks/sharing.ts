// Whether a container's shim is its own. Who shares one, or wants it in a cgroup of its own, is told by the shim program's `start`.
import type { AnyValue } from "../../../wire/containerd/services.ts";
import { decode } from "../../../wire/ttrpc/codec.ts";
import { RuncOptions } from "../../../wire/ttrpc/messages/types.ts";
import { GROUP_ANNOTATIONS } from "../../../wire/ttrpc/shim-waiting.ts";

/** `spec`: config.json. Options of another kind are the shim's to refuse. */
export function standsAlone(spec: Uint8Array, options: AnyValue | undefined): boolean {
  const text = Buffer.from(spec.buffer, spec.byteOffset, spec.byteLength);
  if (GROUP_ANNOTATIONS.some((name) => text.includes(name))) return false;
  if (!options || options.value.length === 0) return true;
  return options.typeUrl.endsWith(RuncOptions.name) && !decode(RuncOptions, options.value).shimCgroup;
}
