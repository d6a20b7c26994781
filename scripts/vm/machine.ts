// Booting: a kernel, a tree as initramfs, perhaps a disk; what its first program says on the serial line comes back.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Machine {
  kernel: string;
  /** Directory that becomes the initramfs; its /init is the first program. */
  tree: string;
  /** Image of a disk, seen inside as /dev/vda. Quick, and of no use after a crash. */
  disk?: string;
  /** A disk in qemu's words (-drive) instead. */
  drive?: string;
  memory: string;
  cpus: number;
  seconds: number;
  /** A directory of this run's own. */
  scratch: string;
  /** Kills the machine. */
  signal?: AbortSignal;
  /** Hears what it says, as it comes. */
  onText?: (text: string) => void;
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
  const disk = machine.disk && `if=virtio,format=raw,cache=unsafe,file=${machine.disk}`;
  const described = machine.drive ?? disk;
  const drive = described ? ["-drive", described] : [];
  const child = Bun.spawn(
    [
      "qemu-system-x86_64",
      ...["-accel", "tcg", "-cpu", "max", "-m", machine.memory, "-smp", String(machine.cpus)],
      ...["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", ...drive],
      ...["-kernel", kernel, "-initrd", image],
      // cgroup_no_v1: whatever a distribution's kernel would put on v1 by itself.
      ...["-append", "console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off random.trust_cpu=on"],
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  const kill = () => child.kill("SIGKILL");
  const late = setTimeout(kill, machine.seconds * 1000);
  machine.signal?.addEventListener("abort", kill);
  let said = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    const text = decoder.decode(chunk, { stream: true });
    said += text;
    process.stdout.write(text);
    machine.onText?.(text);
  }
  clearTimeout(late);
  machine.signal?.removeEventListener("abort", kill);
  await child.exited;
  return said.replaceAll("\r", "");
}
