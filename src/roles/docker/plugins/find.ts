// CLI plugins: programs called docker-NAME in known directories, as docker-compose and docker-buildx are.
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { childEnvironment } from "../../../self.ts";
import type { ConfigFile } from "../config/file.ts";

const SYSTEM = [
  "/usr/local/lib/docker/cli-plugins",
  "/usr/local/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  "/usr/libexec/docker/cli-plugins",
];

const PREFIX = "docker-";

/** A word that may be a plugin's name. */
const NAME = /^[a-z][a-z0-9]*$/;

/** Where plugins are looked for, the first find counts. */
function directories(config: ConfigFile, directory: string): string[] {
  return [...(config.cliPluginsExtraDirs ?? []), join(directory, "cli-plugins"), ...SYSTEM];
}

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The program of the plugin `name`; undefined when there is none. */
export function findPlugin(config: ConfigFile, directory: string, name: string): string | undefined {
  if (!NAME.test(name)) return undefined;
  return directories(config, directory)
    .map((place) => join(place, PREFIX + name))
    .find(runnable);
}

export interface Plugin {
  Name: string;
  Path: string;
  SchemaVersion?: string;
  Vendor?: string;
  Version?: string;
  ShortDescription?: string;
  URL?: string;
  Hidden?: boolean;
}

/** All plugins that say who they are (`docker-NAME docker-cli-plugin-metadata`), by name. */
export async function listPlugins(config: ConfigFile, directory: string): Promise<Plugin[]> {
  const paths = new Map<string, string>();
  for (const place of directories(config, directory)) {
    let names: string[];
    try {
      names = readdirSync(place);
    } catch {
      continue;
    }
    for (const entry of names) {
      const name = entry.slice(PREFIX.length);
      if (!entry.startsWith(PREFIX) || !NAME.test(name) || paths.has(name)) continue;
      if (runnable(join(place, entry))) paths.set(name, join(place, entry));
    }
  }
  const plugins = await Promise.all(
    [...paths].map(async ([Name, Path]): Promise<Plugin | undefined> => {
      try {
        const child = Bun.spawn([Path, "docker-cli-plugin-metadata"], {
          env: childEnvironment(),
          stdin: "ignore",
          stdout: "pipe",
          stderr: "ignore",
        });
        const metadata = JSON.parse(await new Response(child.stdout).text()) as Omit<Plugin, "Name" | "Path">;
        return metadata.SchemaVersion?.startsWith("0.") && metadata.Vendor
          ? { ...metadata, Name, Path }
          : undefined;
      } catch {
        return undefined;
      }
    }),
  );
  return plugins.filter((plugin) => plugin !== undefined).sort((a, b) => (a.Name < b.Name ? -1 : 1));
}
