// A session keyring of the container's own, so that it sees no key of the caller's. man 7 session-keyring
import { Constant } from "../../../launcher/plan.ts";
import type { Context } from "./context.ts";

const KEYCTL_JOIN_SESSION_KEYRING = new Constant(1, "KEYCTL_JOIN_SESSION_KEYRING");
const KEYCTL_SETPERM = new Constant(5, "KEYCTL_SETPERM");
// What a new session keyring has (possessor: all; user: view, read, link) and search for the user.
const PERMISSIONS = new Constant(0x3f1b0000, "0x3f1b0000");

export function addKeyring({ plan }: Context, id: string): void {
  const key = plan.slot("keyring");
  const none = plan.label("keyring done");
  // Kernels without keyrings, seccomp around us, and a full quota: runc goes on without as well.
  plan.call("keyctl", [KEYCTL_JOIN_SESSION_KEYRING, plan.string(`_ses.${id}`)], {
    into: key,
    tolerate: ["ENOSYS", "EPERM", "EDQUOT", "EOPNOTSUPP"],
    fail: none,
    why: "unable to join session keyring",
  });
  plan.call("keyctl", [KEYCTL_SETPERM, key, PERMISSIONS], { tolerate: "any" });
  plan.place(none);
}
