// The runtime options of a container, whatever they are packed as. containerd: api/types/runc/options.
import { ServiceError } from "../../wire/containerd/services.ts";
import { decode, type Message } from "../../wire/ttrpc/codec.ts";
import { RuncOptions } from "../../wire/ttrpc/messages/types.ts";

/** Absent options are all zero. Throws InvalidArgument for options of another kind. */
export function runcOptions(
  any: { typeUrl: string; value: Uint8Array } | undefined,
): Message<typeof RuncOptions> {
  if (!any || any.typeUrl === "" || any.value.length === 0) return decode(RuncOptions, new Uint8Array());
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  if (name === RuncOptions.name) return decode(RuncOptions, any.value);
  throw new ServiceError("InvalidArgument", `unsupported options type ${JSON.stringify(any.typeUrl)}`);
}
