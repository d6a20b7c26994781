// What Create and Exec may name as stdout instead of a FIFO's path: fifo://PATH, file://PATH, binary://PATH?KEY=VALUE.
// As in containerd's shim, stdout decides: a file or a log binary gets both streams. containerd: cmd/containerd-shim-runc-v2/process.
import { makeDirectories, parentOf } from "../../../../ffi/path.ts";
import { ServiceError } from "../../../wire/containerd/services.ts";
import { openToAppend } from "./path.ts";

export type LogGoal =
  | { scheme: "fifo"; path: string }
  | { scheme: "file"; path: string }
  | { scheme: "binary"; path: string; args: string[] };

/** Throws InvalidArgument for a scheme that is none of them. */
export function parseLogUri(uri: string): LogGoal {
  const at = uri.indexOf("://");
  if (at < 0) return { scheme: "fifo", path: uri };
  const scheme = uri.slice(0, at);
  if (scheme !== "fifo" && scheme !== "file" && scheme !== "binary")
    throw new ServiceError("InvalidArgument", `unknown STDIO scheme ${scheme}`);
  const [path = "", query = ""] = uri.slice(at + 3).split("?", 2);
  const plain = decodeURIComponent(path);
  if (!plain.startsWith("/"))
    throw new ServiceError("InvalidArgument", `stdio ${uri}: the path is not absolute`);
  if (scheme !== "binary") return { scheme, path: plain };
  const args = [...new URLSearchParams(query)].flat();
  return { scheme, path: plain, args };
}

/** Makes the file of a file:// URI, and the directories above it. */
export function makeLogFile(path: string): void {
  makeDirectories(parentOf(path), 0o755);
  openToAppend(path).close();
}
