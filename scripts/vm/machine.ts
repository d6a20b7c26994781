// Booting: a kernel, a tree as initramfs, perhaps a disk; what its first program says on the serial line comes back.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Machine {
  kernel: string;
  /** Directory that becomes the initramfs; its /init is the first program. */
  tree: string;
  /** Image of a disk, seen inside as /dev/vda. */
  disk?: string;
  memory: string;
  cpus: number;
  seconds: number;
  /** A directory of this run's own. */
  scratch: string;
}

/** Runs the machine to its end and returns all it said; each piece is shown as it comes. */
export async function boot(machine: Machine): Promise<string> {
  const image = join(machine.scratch, "initramfs");
  const pack = Bun.spawnSync([
    "sh",
    "-c",
    `cd ${machine.tree} && find . | cpio -o -H newc --quiet | gzip -1 > ${image}`,
  ]);
  if (pack.exitCode !== 0) throw new Error(`packing the initramfs: ${pack.stderr}`);
  const kernel = join(machine.scratch, "kernel");
  writeFileSync(kernel, await Bun.file(machine.kernel).bytes());
  const drive = machine.disk ? ["-drive", `if=virtio,format=raw,cache=unsafe,file=${machine.disk}`] : [];
  const child = Bun.spawn(
    [
      "timeout",
      String(machine.seconds),
      "qemu-system-x86_64",
      ...["-accel", "tcg", "-cpu", "max", "-m", machine.memory, "-smp", String(machine.cpus)],
      ...["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", ...drive],
      ...["-kernel", kernel, "-initrd", image],
      // cgroup_no_v1: whatever a distribution's kernel would put on v1 by itself.
      ...["-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off random.trust_cpu=on"],
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  let said = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    const text = decoder.decode(chunk, { stream: true });
    said += text;
    process.stdout.write(text);
  }
  return said.replaceAll("\r", "");
}
