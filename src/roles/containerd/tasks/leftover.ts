// Processes of a creation that its daemon did not live to see the end of: `shim start`, and the shim that it made. Nobody was
// told where that shim listens, but both stand in the bundle, as containerd's README for shims has it.
import { readdirSync, readlinkSync } from "node:fs";

/** Looks at /proc in vain before they count as gone: `start` may make the shim between two looks. */
const LOOKS = 3;
const BETWEEN = 20;

function standingIn(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      if (pid === process.pid) return false;
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === directory;
      } catch {
        // It has ended, or is a zombie.
        return false;
      }
    });
}

/** Kills every process whose working directory that is. Resolves when none is left; to how many there were. */
export async function endProcessesIn(directory: string): Promise<number> {
  const killed = new Set<number>();
  for (let quiet = 0; quiet < LOOKS; ) {
    const found = standingIn(directory);
    quiet = found.length === 0 ? quiet + 1 : 0;
    for (const pid of found) {
      try {
        process.kill(pid, "SIGKILL");
        killed.add(pid);
      } catch {
        // It ended meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
  }
  return killed.size;
}
