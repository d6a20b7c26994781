// What goes into a machine's file tree: programs of this host at the same paths, with the libraries they are linked to.
import { copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, readlinkSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Absolute paths of the shared libraries, the loader among them. */
function libraries(program: string): string[] {
  const { stdout } = Bun.spawnSync(["ldd", program]);
  return [...stdout.toString().matchAll(/(\/\S+)\s+\(0x/g)].map((match) => match[1]!);
}

/** Copies the libraries of a program (or of another library) to their own paths below `tree`. */
export function copyLibraries(tree: string, program: string): void {
  for (const library of libraries(program)) {
    const to = join(tree, dirname(library));
    mkdirSync(to, { recursive: true });
    cpSync(library, join(to, basename(library)), { dereference: true });
  }
}

/** Copies a program to its own path below `tree`; links on the way are copied as links. */
export function copyProgram(tree: string, program: string): void {
  const to = join(tree, program);
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  if (lstatSync(program).isSymbolicLink()) {
    const target = readlinkSync(program);
    symlinkSync(target, to);
    copyProgram(tree, target.startsWith("/") ? target : join(dirname(program), target));
    return;
  }
  copyFileSync(program, to);
  copyLibraries(tree, program);
}

/** busybox under the names of its applets in `tree`/bin. */
export function copyBusybox(tree: string, applets: readonly string[]): void {
  mkdirSync(join(tree, "bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(tree, "bin", "busybox"));
  for (const applet of applets) symlinkSync("busybox", join(tree, "bin", applet));
}
