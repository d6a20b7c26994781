// Conformance suites in a machine: a disk with the suites, the runtimes and what both need, at the paths they have here;
// the machine's first program runs scripts/conformance.ts there.
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { copyBusybox, copyLibraries, copyProgram } from "./files.ts";

export interface SuiteMachine {
  /** lib/modules/VERSION of the kernel. */
  modules: string;
  suites: readonly string[];
  /** NAME=PATH; NAME "ours" is the default. */
  runtimes: readonly string[];
  /** Further arguments for scripts/conformance.ts. */
  rest: readonly string[];
}

/** In the order they must be loaded; what the kernel has built in is left out. */
const MODULES =
  "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk overlay dummy veth".split(
    " ",
  );

const PROGRAMS =
  "bash sh env cat cp ls ln rm mv mkdir rmdir chmod chown touch stat head tail cut tr sort uname sleep true false echo printf test readlink dirname basename mknod mkfifo tee dd id sed grep awk find xargs tar gzip mount umount unshare script nsenter setsid ps kill ip timeout ldconfig sysctl".split(
    " ",
  );

const INIT = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in ${MODULES.join(" ")}; do [ -e /modules/$module.ko ] && insmod /modules/$module.ko; done
i=0; while [ ! -b /dev/vda ] && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
mount -t ext4 /dev/vda /disk || poweroff -f
umount /proc
mount -o move /dev /disk/dev
exec switch_root /disk /bunker-init
`;

/** Makes the initramfs's tree, and the disk's image below `scratch`; returns the image's path. */
export function makeSuiteMachine(tree: string, scratch: string, machine: SuiteMachine): string {
  for (const name of ["proc", "dev", "disk", "modules"]) mkdirSync(join(tree, name), { recursive: true });
  copyBusybox(tree, ["sh", "mount", "umount", "insmod", "sleep", "switch_root", "poweroff", "["]);
  for (const module of MODULES) {
    const [file] = globSync(join(machine.modules, "**", `${module}.ko`));
    if (file) cpSync(file, join(tree, "modules", `${module}.ko`));
  }
  writeFileSync(join(tree, "init"), INIT);
  chmodSync(join(tree, "init"), 0o755);

  const disk = join(scratch, "disk");
  fillDisk(disk, machine);
  const image = join(scratch, "disk.img");
  const made = Bun.spawnSync([
    "mke2fs",
    "-q",
    "-t",
    "ext4",
    "-O",
    "^has_journal",
    "-d",
    disk,
    image,
    "2500M",
  ]);
  if (made.exitCode !== 0) throw new Error(`making the disk: ${made.stderr}`);
  return image;
}

function fillDisk(disk: string, { suites, runtimes, rest }: SuiteMachine): void {
  for (const name of ["proc", "sys", "dev", "run", "tmp", "etc", "root", "var/tmp"])
    mkdirSync(join(disk, name), { recursive: true });
  // The same links as here ("/bin" → "usr/bin"), before anything is copied below them.
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(disk, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(disk, name));
  }
  for (const name of PROGRAMS) {
    const path = Bun.which(name, { PATH: "/usr/bin:/usr/sbin" });
    if (path) copyProgram(disk, path);
  }
  writeFileSync(
    join(disk, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
  );
  writeFileSync(join(disk, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  // A mount's source that every machine has.
  cpSync("/etc/localtime", join(disk, "etc/localtime"), { dereference: true });
  copyProgram(disk, process.execPath);
  const scripts = dirname(import.meta.dir);
  cpSync(join(scripts, "conformance"), join(disk, scripts, "conformance"), { recursive: true });
  cpSync(join(scripts, "conformance.ts"), join(disk, scripts, "conformance.ts"));
  const python = copyPython(disk);
  const path = process.env["PYTHONPATH"];
  if (path) cpSync(path, join(disk, path), { recursive: true });
  const names = runtimes.map((one) => {
    const equals = one.indexOf("=");
    const name = one.slice(0, equals);
    const from = resolve(one.slice(equals + 1));
    // Our own program looks at the name it is called by.
    const at = `/runtimes/${name}/${basename(from) === "bunker" ? "runc" : basename(from)}`;
    mkdirSync(join(disk, dirname(at)), { recursive: true });
    cpSync(from, join(disk, at), { dereference: true });
    copyLibraries(disk, from);
    return `${name}=${at}`;
  });
  for (const suite of suites)
    cpSync(suite, join(disk, suite), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (from) => ![".git", "vendor", "src", "man"].some((name) => from === join(suite, name)),
    });
  const words = [
    process.execPath,
    join(scripts, "conformance.ts"),
    ...suites.flatMap((suite) => ["--suite", suite]),
    ...names.flatMap((name) => ["--runtime", name]),
    ...rest,
  ];
  writeFileSync(
    join(disk, "bunker-init"),
    `#!/bin/bash
export PATH=${dirname(python)}:/usr/bin:/usr/sbin HOME=/root${path ? ` PYTHONPATH=${path}` : ""}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs securityfs /sys/kernel/security
mount --make-rshared /
ln -s /proc/self/fd /dev/fd
ip link set lo up
# As a session manager would: a cgroup of one's own, since nothing that has children with controllers may have processes.
mkdir -p /sys/fs/cgroup/session/suites
echo $$ > /sys/fs/cgroup/session/suites/cgroup.procs
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo +$controller > /sys/fs/cgroup/cgroup.subtree_control
  echo +$controller > /sys/fs/cgroup/session/cgroup.subtree_control
done
echo "kernel $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
${words.map((word) => JSON.stringify(word)).join(" ")} 2>&1
echo "suites: done"
echo b > /proc/sysrq-trigger
sleep 10
`,
  );
  chmodSync(join(disk, "bunker-init"), 0o755);
}

/** Python with its standard library; returns the path of python3. */
function copyPython(disk: string): string {
  const asked = Bun.spawnSync([
    "python3",
    "-c",
    "import sys, sysconfig; print(sys.executable, sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'))",
  ]);
  const [program, ...directories] = asked.stdout.toString().trim().split(" ");
  if (!program) return "/usr/bin/python3";
  copyProgram(disk, program);
  for (const directory of new Set(directories)) {
    if (!existsSync(join(disk, directory)))
      cpSync(directory, join(disk, directory), {
        recursive: true,
        verbatimSymlinks: true,
        filter: (from) =>
          !/\/(test|tests|idlelib|ensurepip|site-packages|dist-packages|lib2to3|tkinter|config-[^/]*|__pycache__)$/.test(
            from,
          ),
      });
    for (const library of globSync(join(directory, "lib-dynload", "*.so"))) copyLibraries(disk, library);
  }
  return program;
}
