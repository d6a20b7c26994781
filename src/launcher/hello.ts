// The program of the embedded offline image: prints its text and exits with 0. Needs no libc, no file, no kernel feature.
import type { Arch } from "../../ffi/arch/index.ts";
import { assemble } from "./elf.ts";
import { Plan } from "./plan.ts";

/** The plan of `assembleHello`. */
export function helloPlan(arch: Arch, text: string): Plan {
  const plan = new Plan("hello", arch);
  const bytes = new TextEncoder().encode(text);
  const at = plan.slot("at");
  const left = plan.slot("left", bytes.length);
  const written = plan.slot("written");
  const minus = plan.slot("minus");
  const more = plan.label("more");
  const done = plan.label("done");
  plan.set(at, plan.bytes("text", bytes));
  plan.place(more);
  plan.call("write", [1, at, left], { into: written });
  // at += written, by the only arithmetic there is: at - (0 - written)
  plan.compute(0, 0, 0, written, { into: minus });
  plan.compute(at, -1, 0, minus, { into: at });
  plan.compute(left, -1, 0, written, { into: left, ok: more, zero: done });
  plan.place(done);
  plan.call("exit_group", [0]);
  return plan;
}

/** A static ELF that writes `text` to stdout, whole, and exits with 0 (with 1 when stdout fails). */
export function assembleHello(arch: Arch, text: string): Uint8Array {
  return assemble(helloPlan(arch, text));
}
