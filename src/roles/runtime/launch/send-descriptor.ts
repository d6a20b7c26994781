// One sendmsg with a descriptor as SCM_RIGHTS. man 3 cmsg
import { SCM_RIGHTS, SOL_SOCKET } from "../../../../ffi/constants/unix.ts";
import type { Address, Slot } from "../../../launcher/plan.ts";
import type { Context } from "./context.ts";

/** Sends `descriptor` with the payload's first `length` bytes over a connected socket. */
export function sendDescriptor(
  { plan }: Context,
  socket: number,
  descriptor: Slot,
  payload: Address,
  length: number | Slot,
  why: string,
): void {
  const vector = new Uint8Array(16);
  if (typeof length === "number") new DataView(vector.buffer).setBigUint64(8, BigInt(length), true);
  const iov = plan.bytes("iov", vector);
  plan.pointer(iov.offset, payload);
  if (typeof length !== "number") plan.set(plan.field(iov, 8), length);
  const control = new Uint8Array(24);
  const view = new DataView(control.buffer);
  view.setBigUint64(0, 20n, true); // CMSG_LEN(sizeof(int))
  view.setInt32(8, SOL_SOCKET, true);
  view.setInt32(12, SCM_RIGHTS, true);
  const cmsg = plan.bytes("SCM_RIGHTS", control);
  plan.set(plan.field(cmsg, 16), descriptor);
  const header = new Uint8Array(56);
  const h = new DataView(header.buffer);
  h.setBigUint64(24, 1n, true); // msg_iovlen
  h.setBigUint64(40, 24n, true); // msg_controllen
  const message = plan.bytes(`message with ${descriptor.name}`, header);
  plan.pointer(message.offset + 16, iov);
  plan.pointer(message.offset + 32, cmsg);
  plan.call("sendmsg", [socket, message, 0], { why });
}
