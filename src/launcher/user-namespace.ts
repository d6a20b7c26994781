// A user namespace that nobody lives in: its maps tell mount_setattr how to map a mount's ids. man 2 mount_setattr
import { arch } from "../../ffi/arch/index.ts";
import { O_RDONLY } from "../../ffi/constants/fcntl.ts";
import { CLONE_NEWUSER } from "../../ffi/constants/sched.ts";
import type { Fd } from "../../ffi/fd.ts";
import { open } from "../../ffi/file.ts";
import type { IdMapping } from "../spec/oci/runtime.ts";
import { writeIdMaps } from "./id-maps.ts";
import { bits, Plan } from "./plan.ts";
import { MESSAGE, PlanError, pipe, spawnPlan } from "./spawn.ts";

/** The namespace, held by its descriptor alone. Throws what the kernel says of the maps. */
export function userNamespaceWith(uidMappings: readonly IdMapping[], gidMappings: readonly IdMapping[]): Fd {
  const go = pipe("go pipe");
  const stdio = [0, 1, 2, go.readEnd.number];
  const running = spawnPlan(holderPlan(stdio.length, 3), { stdio, argv0: "runc:[IDMAP]" });
  go.readEnd.close();
  try {
    const report = running.next();
    if (report.kind === "failed")
      throw new PlanError(report.error.record, report.error.errno, report.error.message);
    if (report.kind === "closed")
      throw new Error("making a user namespace for an idmapped mount: the helper ended");
    writeIdMaps(running.pid, { uidMappings: [...uidMappings], gidMappings: [...gidMappings] });
    return open(`/proc/${running.pid}/ns/user`, O_RDONLY);
  } finally {
    // End of file is its sign to go.
    go.writeEnd.close();
    running.close();
  }
}

/** Makes the namespace, says so, and ends when the go pipe is closed. */
function holderPlan(report: number, go: number): Plan {
  const plan = new Plan("user namespace", arch);
  plan.call("unshare", [bits({ CLONE_NEWUSER })], { why: "making a user namespace for an idmapped mount" });
  const message = new Uint8Array(8);
  new DataView(message.buffer).setUint32(0, MESSAGE + 1, true);
  plan.call("write", [report, plan.bytes("message made", message), 8]);
  plan.call("read", [go, plan.bytes("go", new Uint8Array(8)), 1]);
  plan.call("exit_group", [0]);
  return plan;
}
