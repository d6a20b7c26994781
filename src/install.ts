// bunker install [--prefix DIR] [--force]: lays the symlinks by which one file answers to every role's name.
import { lstatSync, mkdirSync, readlinkSync, renameSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import yargs from "yargs";
import { isErrno } from "../ffi/errno.ts";
import { compiled } from "./self.ts";

const LINKS = [
  "docker",
  "dockerd",
  "containerd",
  "ctr",
  "containerd-shim-bunker-v2",
  "containerd-shim-runc-v2",
  "runc",
] as const;

/** Points `link` to `target`. Returns whether anything had to be done; throws when another file is in the way. */
function lay(link: string, target: string, force: boolean): boolean {
  try {
    const there = lstatSync(link);
    if (there.isSymbolicLink() && readlinkSync(link) === target) return false;
    if (!force) {
      throw new Error(`${link} exists and is not ours: remove it, or use --force to replace it`);
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  // Aside and rename: whoever starts the name meanwhile finds the old file or the new one, never none.
  const aside = `${link}.${process.pid}.new`;
  symlinkSync(target, aside);
  renameSync(aside, link);
  return true;
}

function parse(args: string[]): { prefix: string; force: boolean } {
  return yargs(args)
    .scriptName("bunker install")
    .usage("$0 [--prefix DIR] [--force]\n\nLays one symlink a role below DIR/bin, all to this file.")
    .option("prefix", { type: "string", default: "/usr/local", describe: "where bin/ is" })
    .option("force", { type: "boolean", default: false, describe: "replace what is in the way" })
    .strict()
    .version(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseSync();
}

export async function main(args: string[]): Promise<number> {
  let options: ReturnType<typeof parse>;
  try {
    options = parse(args);
  } catch (error) {
    process.stderr.write(`bunker install: ${(error as Error).message} (see bunker install --help)\n`);
    return 64;
  }
  if (!compiled) {
    process.stderr.write("bunker install: this is a checkout; build the binary first: npm run build\n");
    return 1;
  }
  const bin = join(options.prefix, "bin");
  mkdirSync(bin, { recursive: true, mode: 0o755 });
  const target = relative(bin, process.execPath);
  for (const name of LINKS) {
    try {
      const done = lay(join(bin, name), target, options.force);
      process.stdout.write(`${join(bin, name)} -> ${target}${done ? "" : " (already there)"}\n`);
    } catch (error) {
      process.stderr.write(`bunker install: ${(error as Error).message}\n`);
      return 1;
    }
  }
  return 0;
}
