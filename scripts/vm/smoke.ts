// The runtime's smoke list (smoke.sh) as a machine's first program, all of it in the initramfs.
import { copyFileSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec } from "../../src/roles/runtime/default-spec.ts";
import { copyBusybox, copyLibraries } from "./files.ts";

const APPLETS =
  "sh mount mkdir cat echo ls sleep poweroff grep sed cut wc true false head dd test [ kill rm cp ln stat touch tr ip printf chmod switch_root uname".split(
    " ",
  );

/** The machine's file tree: busybox, the runtime with the libraries it is linked to, the list, a bundle's root. */
export function makeSmokeTree(tree: string, runtime: string): void {
  for (const name of ["dev", "proc", "sys", "run", "tmp", "etc", "lib64", "bundle/rootfs/bin"])
    mkdirSync(join(tree, name), { recursive: true });
  for (const at of [tree, join(tree, "bundle", "rootfs")]) {
    copyBusybox(at, APPLETS);
    for (const name of ["proc", "dev", "sys", "tmp", "etc"]) mkdirSync(join(at, name), { recursive: true });
  }
  // config.json in three parts, between which the list puts the command and the resources.
  const config = defaultSpec(false);
  config.process!.terminal = false;
  config.process!.args = ["@"];
  config.linux!.resources = {};
  for (const set of ["bounding", "effective", "permitted"] as const)
    config.process!.capabilities![set]!.push("CAP_MKNOD", "CAP_SYS_RAWIO");
  config.linux!.cgroupsPath = "/smoke/c1";
  const [head = "", middle = "", tail = ""] = JSON.stringify(config).split(/\["@"\]|(?<="resources":)\{\}/);
  writeFileSync(join(tree, "bundle", "head"), head);
  writeFileSync(join(tree, "bundle", "middle"), middle);
  writeFileSync(join(tree, "bundle", "tail"), tail);
  cpSync(runtime, join(tree, "bin", "bunker"), { dereference: true });
  symlinkSync("bunker", join(tree, "bin", "runc"));
  copyLibraries(tree, runtime);
  copyFileSync(join(import.meta.dir, "smoke.sh"), join(tree, "init"));
  Bun.spawnSync(["chmod", "755", join(tree, "init")]);
}
