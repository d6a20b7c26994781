// A network of its own for a test's daemons and their clients: nothing they bind or filter meets the host's.
import { must, run } from "./process.ts";

let serial = 0;

export interface Netns extends AsyncDisposable {
  name: string;
  /** Puts a command into the namespace. (`ip netns exec` would also remount /sys and hide the cgroups.) */
  inside(command: string[]): string[];
}

/** Makes a network namespace with its loopback device up. */
export async function makeNetns(): Promise<Netns> {
  const name = `bunker-${process.pid}-${serial++}`;
  await must(["ip", "netns", "add", name]);
  await must(["ip", "-n", name, "link", "set", "lo", "up"]);
  return {
    name,
    inside: (command) => ["nsenter", `--net=/run/netns/${name}`, ...command],
    async [Symbol.asyncDispose]() {
      await run(["ip", "netns", "del", name]);
    },
  };
}

/** No namespace of its own: for engines that have no network at all (`--bridge=none`). */
export const hostNetwork: Netns = {
  name: "",
  inside: (command) => command,
  async [Symbol.asyncDispose]() {},
};
