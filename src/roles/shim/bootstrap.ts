// What `start` is told on stdin and what it answers on stdout, in each of the forms that containerd has had: the address alone
// (1.x), JSON (2.0–2.2, asked for by MAX_SHIM_VERSION), protobuf both ways (2.3).
// containerd: api/runtime/bootstrap/v1/bootstrap.proto, pkg/shim.
import { decode, encode, type Message, message } from "../../wire/ttrpc/codec.ts";
import type { RuncOptions } from "../../wire/ttrpc/messages/types.ts";
import { Any } from "../../wire/ttrpc/messages/well-known.ts";
import { runcOptions } from "./runtime-options.ts";

/** The newest task service that this shim speaks. */
const TASK_VERSION = 3;

const p = "containerd.runtime.bootstrap.v1.";
const Extension = message(`${p}Extension`, { value: [1, Any] });
export const BootstrapParams = message(`${p}BootstrapParams`, {
  instanceId: [1, "string"],
  namespace: [2, "string"],
  logLevel: [3, "enum"],
  containerdVersion: [4, "string"],
  containerdTtrpcAddress: [5, "string"],
  containerdGrpcAddress: [6, "string"],
  containerdBinary: [7, "string"],
  extensions: [8, [Extension]],
});
export const BootstrapResult = message(`${p}BootstrapResult`, {
  version: [1, "int32"],
  address: [2, "string"],
  protocol: [3, "string"],
});

export interface Asked {
  /** The answer is a BootstrapResult. */
  protobuf: boolean;
  runc: Message<typeof RuncOptions>;
  /** containerd's addresses, where flags and environment do not name them. */
  grpc: string;
  ttrpc: string;
}

/**
 * Reads what came on stdin: BootstrapParams when they name this container (runtime options have the same field numbers, so
 * nothing else tells them apart), else the runtime options as an Any, or nothing. Throws InvalidArgument for foreign options.
 */
export function parseAsked(bytes: Uint8Array, id: string, namespace: string): Asked {
  const params = decode(BootstrapParams, bytes);
  if (bytes.length === 0 || params.instanceId !== id || params.namespace !== namespace)
    return {
      protobuf: false,
      runc: runcOptions(bytes.length ? decode(Any, bytes) : undefined),
      grpc: "",
      ttrpc: "",
    };
  const options = params.extensions
    .map(({ value }) => value)
    .find((value) => value?.typeUrl.includes("runc"));
  return {
    protobuf: true,
    runc: runcOptions(options),
    grpc: params.containerdGrpcAddress,
    ttrpc: params.containerdTtrpcAddress,
  };
}

/** What goes to stdout. `newest` is MAX_SHIM_VERSION: what containerd can speak, where it says so. */
export function answer(address: string, asked: Asked, newest: string | undefined): Uint8Array {
  if (asked.protobuf) return encode(BootstrapResult, { version: TASK_VERSION, address, protocol: "ttrpc" });
  const version = Math.min(Number(newest ?? 0), TASK_VERSION);
  const text = version >= 2 ? JSON.stringify({ version, address, protocol: "ttrpc" }) : address;
  return new TextEncoder().encode(text);
}
