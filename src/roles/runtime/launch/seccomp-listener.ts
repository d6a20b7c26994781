// SCMP_ACT_NOTIFY: the kernel's listener goes to the agent at listenerPath. config-linux.md#containerprocessstate
// The filter may hold the very calls that would send it, until the agent answers: so a thread that the filter does not judge
// is started before, and sends it, while this one waits without any system call.
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VM,
} from "../../../../ffi/constants/sched.ts";
import { pack } from "../../../../ffi/struct.ts";
import { bits, type Slot } from "../../../launcher/plan.ts";
import type { Context } from "./context.ts";
import { CloneArgs } from "./namespaces.ts";
import { sendDescriptor } from "./send-descriptor.ts";

/** The most the state document may take: what a pipe holds. */
export const DOCUMENT_LIMIT = 65536;

/** Runs `load` (which puts the listener's descriptor into the slot) and returns when the listener is sent. */
export function withListener(context: Context, load: (listener: Slot) => void): void {
  const { plan, fds } = context;
  const socket = fds.listener ?? -1;
  const listener = plan.slot("listener");
  const sent = plan.slot("sent");
  const sender = plan.label("sender of the listener");
  const loaded = plan.label("filter loaded");
  const done = plan.label("listener sent");
  const flags = bits({ CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD });
  const args = plan.bytes(`{${flags.text}}`, pack(CloneArgs, { flags: BigInt(flags.value) }));
  const why = "sending the seccomp listener";
  plan.call("clone3", [args, CloneArgs.size], { zero: sender, ok: loaded, why });

  plan.place(sender);
  const document = plan.bytes("container process state", new Uint8Array(DOCUMENT_LIMIT));
  const length = plan.slot("length of the state");
  plan.call("read", [socket + 1, document, DOCUMENT_LIMIT], { into: length, why });
  const waiting = plan.label("until the filter is loaded");
  const ready = plan.label("listener is there");
  const yielding = plan.label("yield");
  plan.place(waiting);
  plan.compute(listener, -1, 0, 0, { ok: ready, zero: yielding });
  plan.place(yielding);
  plan.call("sched_yield", [], { ok: waiting, zero: waiting });
  plan.place(ready);
  sendDescriptor(context, socket, listener, document, length, why);
  plan.set(sent, 1);
  plan.call("exit", [0]);

  plan.place(loaded);
  load(listener);
  const spin = plan.label("until it is sent");
  plan.place(spin);
  plan.compute(sent, -1, 0, 0, { ok: done, zero: spin });
  plan.place(done);
}
