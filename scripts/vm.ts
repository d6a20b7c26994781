// A virtual machine with cgroup v2 and nothing else, and the runtime's smoke list in it:
//   node scripts/bootstrap.mjs scripts/vm.ts --kernel VMLINUZ [--runtime FILE] [--keep]
// VMLINUZ is any x86-64 kernel with initramfs and serial console (Debian's linux-image-cloud-amd64, unpacked); DIR its
// lib/modules/VERSION, for overlay and veth where they are no part of it. Needs qemu-system-x86_64 (it emulates: no KVM),
// busybox-static and cpio. The list is scripts/vm/smoke.sh; it runs as the machine's first program.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { defaultSpec } from "../src/roles/runtime/default-spec.ts";

const root = dirname(import.meta.dir);
const { values } = parseArgs({
  options: {
    kernel: { type: "string" },
    runtime: { type: "string", default: join(root, "dist", "bunker") },
    memory: { type: "string", default: "1536M" },
    seconds: { type: "string", default: "300" },
    keep: { type: "boolean", default: false },
  },
});
const needed = [
  ["a kernel image (--kernel)", values.kernel ?? ""],
  ["the runtime (npm run build)", values.runtime],
  ["busybox-static", "/bin/busybox"],
] as const;
for (const [what, path] of needed)
  if (!existsSync(path)) {
    console.error(`vm: ${what} is missing${path && `: ${path}`}`);
    process.exit(64);
  }
for (const program of ["qemu-system-x86_64", "cpio"])
  if (!Bun.which(program)) {
    console.error(`vm: ${program} is missing`);
    process.exit(64);
  }

const APPLETS =
  "sh mount mkdir cat echo ls sleep poweroff grep sed cut wc true false head dd test [ kill rm cp ln stat touch tr ip printf chmod switch_root uname".split(
    " ",
  );

/** The machine's file tree: busybox, the runtime with the libraries it is linked to, the list, a bundle's root. */
function makeTree(tree: string): void {
  for (const name of ["bin", "dev", "proc", "sys", "run", "tmp", "etc", "lib64", "bundle/rootfs/bin"])
    mkdirSync(join(tree, name), { recursive: true });
  for (const at of [tree, join(tree, "bundle", "rootfs")]) {
    copyFileSync("/bin/busybox", join(at, "bin", "busybox"));
    for (const applet of APPLETS) symlinkSync("busybox", join(at, "bin", applet));
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
  cpSync(values.runtime, join(tree, "bin", "bunker"), { dereference: true });
  symlinkSync("bunker", join(tree, "bin", "runc"));
  for (const library of libraries(values.runtime)) {
    const at = join(tree, dirname(library));
    mkdirSync(at, { recursive: true });
    cpSync(library, join(at, basename(library)), { dereference: true });
  }
  copyFileSync(join(import.meta.dir, "vm", "smoke.sh"), join(tree, "init"));
  Bun.spawnSync(["chmod", "755", join(tree, "init")]);
}

/** Absolute paths of the shared libraries, the loader among them. */
function libraries(program: string): string[] {
  const { stdout } = Bun.spawnSync(["ldd", program]);
  return [...stdout.toString().matchAll(/(\/\S+)\s+\(0x/g)].map((match) => match[1]!);
}

const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bunker-vm-"));
let code = 1;
try {
  const tree = join(directory, "tree");
  makeTree(tree);
  const image = join(directory, "initramfs");
  const pack = Bun.spawnSync([
    "sh",
    "-c",
    `cd ${tree} && find . | cpio -o -H newc --quiet | gzip -1 > ${image}`,
  ]);
  if (pack.exitCode !== 0) throw new Error(`packing the initramfs: ${pack.stderr}`);
  writeFileSync(join(directory, "kernel"), await Bun.file(values.kernel!).bytes());
  const machine = Bun.spawn(
    [
      "timeout",
      values.seconds,
      "qemu-system-x86_64",
      ...["-accel", "tcg", "-cpu", "max", "-m", values.memory, "-nographic", "-no-reboot", "-nodefaults"],
      ...["-serial", "stdio", "-kernel", join(directory, "kernel"), "-initrd", image],
      // cgroup_no_v1: whatever a distribution's kernel would put on v1 by itself.
      ...["-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off random.trust_cpu=on"],
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  let said = "";
  const decoder = new TextDecoder();
  for await (const chunk of machine.stdout) {
    const text = decoder.decode(chunk, { stream: true });
    said += text;
    process.stdout.write(text);
  }
  const verdict = /^smoke: (\d+) passed, (\d+) failed/m.exec(said);
  if (!verdict) console.error("vm: the machine stopped before the list was through");
  code = verdict && verdict[2] === "0" ? 0 : 1;
} finally {
  if (values.keep) console.error(`vm: kept ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}
process.exit(code);
