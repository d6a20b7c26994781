// A virtual machine with cgroup v2 and nothing else, and the runtime's smoke list or whole conformance suites in it:
//   node scripts/bootstrap.mjs scripts/vm.ts --kernel VMLINUZ [--runtime FILE] [--keep]
//   … --kernel VMLINUZ --systemd: the machine is systemd's, and the list is that of `--systemd-cgroup`
//   … --kernel VMLINUZ --modules DIR --suite DIR… [--runtime NAME=PATH]… [--only REGEX] [--patience N] [--seconds N]
// VMLINUZ is any x86-64 kernel with initramfs and serial console (Debian's linux-image-cloud-amd64, unpacked); DIR its
// lib/modules/VERSION, for the disk. A suite stands ready as for scripts/conformance.ts. Needs qemu-system-x86_64 (it
// emulates: no KVM), busybox-static, cpio; for suites also mke2fs and Python.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { boot } from "./vm/machine.ts";
import { makeSmokeTree } from "./vm/smoke.ts";
import { makeSuiteMachine } from "./vm/suites.ts";
import { makeSystemdTree, SYSTEMD } from "./vm/systemd.ts";

const root = dirname(import.meta.dir);
const { values } = parseArgs({
  options: {
    kernel: { type: "string" },
    modules: { type: "string" },
    runtime: { type: "string", multiple: true, default: [] },
    suite: { type: "string", multiple: true, default: [] },
    only: { type: "string" },
    patience: { type: "string", default: "10" },
    memory: { type: "string" },
    seconds: { type: "string" },
    systemd: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const suites = values.suite.map((path) => resolve(path));
const ours = join(root, "dist", "bunker");
const theirs = Bun.which("runc");
const runtimes =
  values.runtime.length > 0
    ? values.runtime
    : suites.length > 0 && theirs
      ? [`ours=${ours}`, `runc=${theirs}`]
      : [`ours=${ours}`];
const needed = [
  ["a kernel image (--kernel)", values.kernel ?? ""],
  ...(suites.length > 0 ? [["the kernel's modules (--modules)", values.modules ?? ""] as const] : []),
  ...suites.map((path) => ["a suite", path] as const),
  ...runtimes.map((one) => ["the runtime (npm run build)", one.slice(one.indexOf("=") + 1)] as const),
  ["busybox-static", "/bin/busybox"],
  ...(values.systemd
    ? [["systemd", SYSTEMD] as const, ["dbus-daemon", "/usr/bin/dbus-daemon"] as const]
    : []),
] as const;
for (const [what, path] of needed)
  if (!existsSync(path)) {
    console.error(`vm: ${what} is missing${path && `: ${path}`}`);
    process.exit(64);
  }
for (const program of ["qemu-system-x86_64", "cpio", ...(suites.length > 0 ? ["mke2fs", "python3"] : [])])
  if (!Bun.which(program)) {
    console.error(`vm: ${program} is missing`);
    process.exit(64);
  }

const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "bunker-vm-"));
let code = 1;
try {
  const tree = join(scratch, "tree");
  mkdirSync(tree);
  const machine = { kernel: values.kernel!, tree, scratch };
  if (suites.length > 0) {
    const rest = [
      "--patience",
      values.patience,
      ...(values.only === undefined ? [] : ["--only", values.only]),
    ];
    const disk = makeSuiteMachine(tree, scratch, { modules: values.modules!, suites, runtimes, rest });
    const said = await boot({
      ...machine,
      disk,
      memory: values.memory ?? "3G",
      cpus: 2,
      seconds: Number(values.seconds ?? 7200),
    });
    code = said.includes("suites: done") ? 0 : 1;
  } else {
    const make = values.systemd ? makeSystemdTree : makeSmokeTree;
    make(tree, runtimes[0]!.slice(runtimes[0]!.indexOf("=") + 1));
    const said = await boot({
      ...machine,
      memory: values.memory ?? "1536M",
      cpus: 1,
      seconds: Number(values.seconds ?? 300),
    });
    const verdict = /^smoke: (\d+) passed, (\d+) failed/m.exec(said);
    code = verdict && verdict[2] === "0" ? 0 : 1;
  }
  if (code !== 0)
    console.error("vm: the machine stopped before the list was through, or something in it failed");
} finally {
  if (values.keep) console.error(`vm: kept ${scratch}`);
  else rmSync(scratch, { recursive: true, force: true });
}
process.exit(code);
