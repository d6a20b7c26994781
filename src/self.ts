// How a role starts another role of this same program.
export interface SelfCommand {
  /** Command and leading arguments; append the role's own. */
  cmd: string[];
  /** argv[0] that the child shall see (and `ps` shows), for Bun.spawn's `argv0`. */
  argv0: string;
}

const source = `${import.meta.dir}/main.ts`;

/** Whether this is the compiled single binary and not a checkout run by bun. Told by the path: node:fs costs 1 ms to load. */
export const compiled: boolean = import.meta.dir.startsWith("/$bunfs/");

// Read at the start. Once the file was replaced by a newer one (an upgrade under a running engine), the kernel shows the old path
// with a mark behind it; what stands at that path now is the program to start.
const executable = process.execPath.replace(/ \(deleted\)$/, "");

/** The command that starts `role` (any of main.ts's role names). */
export function selfCommand(role: string): SelfCommand {
  if (compiled) return { cmd: [executable], argv0: role };
  // The npm package names its binary bun.exe; main.ts knows it as bun.
  return { cmd: [executable, source, role], argv0: "bun" };
}

/** This process's environment without what could steer a Bun child (BUN_*, NODE_*), plus `extra`. */
export function childEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(BUN_|NODE_|npm_)/.test(name)) environment[name] = value;
  }
  return { ...environment, ...extra };
}
