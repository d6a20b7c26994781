// What our shim answers besides the task service: which version it is, and to become another.
import { message } from "./codec.ts";
import { Empty } from "./messages/well-known.ts";
import { service } from "./service.ts";

const p = "bunker.shim.v1.";
export const UpgradeRequest = message(`${p}UpgradeRequest`, { program: [1, "string"] });
export const VersionResponse = message(`${p}VersionResponse`, {
  version: [1, "string"],
  commit: [2, "string"],
  /** The executable that the shim runs as; "… (deleted)" when it was taken away. */
  program: [3, "string"],
});

export const ShimControl = service(`${p}Shim`, {
  version: ["Version", Empty, VersionResponse],
  /** Answered before it happens: ask for the version to see that it has. */
  upgrade: ["Upgrade", UpgradeRequest, Empty],
});
