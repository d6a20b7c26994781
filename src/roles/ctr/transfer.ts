// Who moves the images: the daemon, or, for a containerd before 1.7 (which cannot) and with --local, this program.
import type { Services, Transfer } from "../../wire/containerd/services.ts";

/** Makes a Transfer out of the other services; it works in this process. */
export type MakeTransfer = (services: Services) => Promise<Transfer>;

/** Whether the daemon has the transfer service. */
async function canTransfer({ introspection }: Services): Promise<boolean> {
  const found = await introspection.plugins(["type==io.containerd.grpc.v1,id==transfer"]);
  return found.length > 0;
}

/** The Transfer to use: the daemon's own where it has one and `local` is not asked for. */
export async function chooseTransfer(
  services: Services,
  make: MakeTransfer,
  local: boolean,
): Promise<Transfer> {
  return local || !(await canTransfer(services)) ? await make(services) : services.transfer;
}
