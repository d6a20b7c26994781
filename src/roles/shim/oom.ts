// Out of memory: the kernel counts what it kills in a cgroup; whoever looks tells what came since the last look.
import { type Cgroup, oomKills } from "./cgroup.ts";

export class OomCount {
  #kills: number;

  constructor(kills = 0) {
    this.#kills = kills;
  }

  /** Kills that were told. */
  get told(): number {
    return this.#kills;
  }

  /** Whether processes were killed since the last look. */
  look(cgroup: Cgroup): boolean {
    const kills = oomKills(cgroup);
    // A count that goes back is another cgroup of the same name.
    const more = kills > this.#kills;
    this.#kills = kills;
    return more;
  }
}
