// Bun reads a few environment variables before any JavaScript runs: one preloads a file (BUN_OPTIONS), one turns the
// program back into plain `bun` (BUN_BE_BUN), others open a debugger. Whoever sets the environment of
// a root daemon must not get to run code in it, and Bun has no switch for this, so the build makes the names
// unspeakable: their first letter becomes "=", which no environment variable's name can contain (man 7 environ).

/** Names (or prefixes of names) that the binary must not hear. Written in two pieces: the text must not occur in our own bundle. */
const FORBIDDEN = ["OPTIONS", "BE_BUN", "INSPECT"].map((rest) => `BUN_${rest}`);

/**
 * Rewrites the names inside a compiled executable, in place. Occurrences in JavaScript source (`process.env.X`) stay: the
 * program deletes those variables itself at its start. Returns how many places were changed, by name.
 */
export function harden(executable: Buffer): Record<string, number> {
  const changed: Record<string, number> = {};
  for (const name of FORBIDDEN) {
    changed[name] = 0;
    for (let at = executable.indexOf(name); at >= 0; at = executable.indexOf(name, at + 1)) {
      const before = executable.subarray(Math.max(0, at - 12), at).toString("latin1");
      if (before.endsWith("process.env.")) continue;
      executable[at] = 0x3d; // "="
      changed[name] = (changed[name] ?? 0) + 1;
    }
  }
  return changed;
}
