// Where a BuildKit build's result goes: into this engine's images, to the client (`-o`), or nowhere but into the cache.
import { badRequest, notImplemented } from "../errors.ts";
import type { WriteGround } from "../images/write.ts";
import type { BuildOptions } from "./options.ts";
import { openSnapshot } from "./rootfs.ts";
import type { ClientSession } from "./session/client-session.ts";
import { sendFiles, sendTar } from "./session/file-send.ts";
import type { TraceReport } from "./trace-report.ts";

export type Destination = "images" | "local" | "tar" | "cacheonly";

/** Throws ApiError 400 or 501 for what cannot be done. */
export function destinationOf({ outputs, session }: Pick<BuildOptions, "outputs" | "session">): Destination {
  if (outputs.length > 1) throw badRequest("multiple outputs not supported");
  const type = outputs[0] ?? "";
  if (["", "moby", "image", "docker"].includes(type)) return "images";
  if (type !== "local" && type !== "tar" && type !== "cacheonly") {
    throw notImplemented(
      `output of type ${type} is not implemented: there are image, local, tar and cacheonly`,
    );
  }
  if (type !== "cacheonly" && session === "") throw badRequest(`output of type ${type} needs a session`);
  return type;
}

/** Sends the files of the snapshot `chainId`. Throws what the transfer failed with. */
export async function deliver(
  ground: WriteGround,
  chainId: string,
  to: Exclude<Destination, "images">,
  {
    session,
    report,
    signal,
  }: { session: ClientSession | undefined; report: TraceReport; signal: AbortSignal },
): Promise<void> {
  if (to === "cacheonly" || !session) return;
  const vertex = await report.begin(`exporting to client${to === "local" ? "" : " tarball"}`);
  try {
    using root = await openSnapshot(ground, chainId);
    await (to === "local" ? sendFiles : sendTar)(session, root, signal);
    await report.complete(vertex);
  } catch (error) {
    await report.complete(vertex, { error: (error as Error).message });
    throw error;
  }
}
