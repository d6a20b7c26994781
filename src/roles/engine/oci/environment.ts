// The environment of a container's process.

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const nameOf = (entry: string): string => entry.split("=", 1)[0]!;

/** `overrides` over `defaults`: a NAME=value replaces, a bare NAME removes; order is kept. */
export function mergeEnvironment(defaults: readonly string[], overrides: readonly string[]): string[] {
  const merged = new Map(defaults.map((entry) => [nameOf(entry), entry]));
  for (const entry of overrides) {
    if (entry.includes("=")) merged.set(nameOf(entry), entry);
    else merged.delete(entry);
  }
  return [...merged.values()];
}

/** PATH, HOSTNAME and TERM, then what the image and the user said. */
export function containerEnvironment(config: {
  env: readonly string[];
  hostname: string;
  tty: boolean;
}): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${config.hostname}`];
  if (config.tty) defaults.push("TERM=xterm");
  return mergeEnvironment(defaults, config.env);
}
