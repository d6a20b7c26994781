// Telling systemd that the engine is ready, or going (Type=notify units, sd_notify(3)).
import { sendUnixDatagram } from "../../../../ffi/datagram.ts";
import { log } from "../../../observe/log.ts";

const path = process.env["NOTIFY_SOCKET"];
// Not for containers' shims, nor anything else that we start.
delete process.env["NOTIFY_SOCKET"];

/** Does nothing when nobody asked to be told. Never throws. */
export function notifySystemd(state: "READY=1" | "STOPPING=1"): void {
  if (!path) return;
  try {
    sendUnixDatagram(path, state);
  } catch (error) {
    log("warning", "systemd cannot be notified", { error: error as Error });
  }
}
