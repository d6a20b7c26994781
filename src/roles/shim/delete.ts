// `delete`: the shim is dead. Whatever it left — processes, the runtime's state, mounts, its socket — goes, and how the
// container ended is told: as it was recorded, else as killed now.
import { print } from "../../../ffi/output.ts";
import { readText, removeFile } from "../../../ffi/path.ts";
import { answersUnix } from "../../../ffi/socket.ts";
import { log } from "../../observe/log.ts";
import { undoMounts } from "../../wire/containerd/mounting.ts";
import { encode } from "../../wire/ttrpc/codec.ts";
import { DeleteResponse } from "../../wire/ttrpc/messages/task.ts";
import { timestamp } from "../../wire/ttrpc/messages/well-known.ts";
import { shimSocket } from "../../wire/ttrpc/shim-address.ts";
import { readExitRecord } from "./exit-record.ts";
import { Exits } from "./exits.ts";
import type { Flags } from "./flags.ts";
import { groupOf } from "./group.ts";
import { checkIdentifier } from "./identifier.ts";
import { SpawnedRuntime } from "./oci/spawned.ts";
import { readOptions } from "./saved-options.ts";

const KILLED = 128 + 9;

function recordedPid(bundle: string): number {
  try {
    return Number(readText(`${bundle}/init.pid`)) || 0;
  } catch {
    return 0;
  }
}

export async function deleteDead(flags: Flags): Promise<number> {
  checkIdentifier(flags.id);
  const bundle = flags.bundle || process.cwd();
  const options = readOptions(bundle);
  if (options) {
    const runtime = new SpawnedRuntime({ ...options, bundle }, new Exits());
    try {
      await runtime.delete(flags.id, true);
    } catch (error) {
      // Not knowing such a container is what we want; anything else must not keep the mounts.
      if (!/does not exist/.test((error as Error).message))
        log("warning", "runtime delete failed", { error });
    }
  }
  undoMounts(`${bundle}/rootfs`);
  // A group's shim may live on, or be there again.
  const socket = shimSocket(flags.address, flags.namespace, groupOf(bundle, flags.id));
  if (!answersUnix(socket)) removeFile(socket);
  const exit = readExitRecord(bundle) ?? {
    pid: recordedPid(bundle),
    exitStatus: KILLED,
    exitedAt: Date.now(),
  };
  print(encode(DeleteResponse, { ...exit, exitedAt: timestamp(exit.exitedAt) }));
  return 0;
}
