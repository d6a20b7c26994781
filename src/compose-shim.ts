// The shim's composition root: with our own runtime in its process, loaded when there is something to start.
import { shimMain } from "./roles/shim/main.ts";

/** `containerd-shim-bunker-v2 …` */
export function main(args: string[], calledAs: string): Promise<number> {
  return shimMain(args, calledAs, async () => (await import("./roles/runtime/resident.ts")).residentRuntime);
}
