// ctr's composition root: containerd's client, with our containerd's way of moving images for daemons that have none.
import { ctrMain } from "./roles/ctr/main.ts";

/** `ctr …` */
export function main(args: string[]): Promise<number> {
  return ctrMain(args, async (services) => {
    const { createTransfer } = await import("./roles/containerd/transfer/index.ts");
    return createTransfer(services);
  });
}
