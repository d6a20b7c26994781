// Loading a compiled filter. man 2 seccomp
import { Address, bits, Constant, type Slot } from "../../../launcher/plan.ts";
import type { Filter } from "../seccomp/compile.ts";
import type { Context } from "./context.ts";

const SECCOMP_SET_MODE_FILTER = 1;

/** From here on the filter judges every call of the launcher too, the execve among them. `into`: takes the listener. */
export function addSeccomp({ plan }: Context, filter: Filter, into?: Slot): void {
  const program = plan.bytes("filter", filter.bytes);
  const head = new Uint8Array(16);
  new DataView(head.buffer).setUint16(0, filter.bytes.length / 8, true);
  const fprog = plan.bytes("", head);
  plan.pointer(fprog.offset + 8, program);
  plan.call(
    "seccomp",
    [
      bits({ SECCOMP_SET_MODE_FILTER }),
      new Constant(filter.flags, `0x${filter.flags.toString(16)}`),
      new Address(fprog.offset, `{filter of ${filter.bytes.length / 8} instructions}`),
    ],
    { ...(into ? { into } : {}), why: "loading seccomp filter into kernel" },
  );
}
