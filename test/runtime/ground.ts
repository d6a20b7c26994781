// Bundles and calls for the runtime's tests: a busybox root file system, a state directory of its own, everything removed at the end.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec } from "../../src/roles/runtime/default-spec.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";

const BUSYBOX = "/bin/busybox";
const APPLETS =
  "sh true false cat ls id env echo sleep grep mount stat touch kill hostname mkdir tty stty ps wc head test dd readlink trap mknod umount chroot".split(
    " ",
  );

/** Why these tests cannot run here; "" when they can. */
export const unable = process.getuid?.() !== 0 ? "not root" : !existsSync(BUSYBOX) ? `no ${BUSYBOX}` : "";

const checkout = join(import.meta.dir, "..", "..");
const main = join(checkout, "src", "main.ts");
// By the name main.ts knows it by; npm calls the file itself bun.exe.
const bun = join(checkout, "node_modules", ".bin", "bun");

export interface Output {
  code: number;
  out: string;
  err: string;
}

export class Ground implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "runtime-"));
  readonly root = join(this.directory, "state");
  readonly bundle = join(this.directory, "bundle");
  readonly rootfs = join(this.bundle, "rootfs");
  /** Unique on this machine, since cgroups are named after it. */
  readonly id = `bunker-test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;

  constructor() {
    chmodSync(this.directory, 0o755);
    for (const name of ["bin", "etc", "proc", "dev", "sys", "tmp", "root"])
      mkdirSync(join(this.rootfs, name), { recursive: true });
    copyFileSync(BUSYBOX, join(this.rootfs, "bin", "busybox"));
    chmodSync(join(this.rootfs, "bin", "busybox"), 0o755);
    for (const applet of APPLETS) symlinkSync("busybox", join(this.rootfs, "bin", applet));
    writeFileSync(
      join(this.rootfs, "etc", "passwd"),
      "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\n",
    );
    this.configure();
  }

  /** Writes config.json: `runc spec`'s without a terminal, changed by `change`. */
  configure(args: string[] = ["true"], change: (config: Config) => void = () => {}): void {
    const config = defaultSpec(false);
    config.process!.terminal = false;
    config.process!.args = args;
    config.linux!.cgroupsPath = `/${this.id}`;
    change(config);
    writeFileSync(join(this.bundle, "config.json"), JSON.stringify(config));
  }

  shell(script: string, change?: (config: Config) => void): void {
    this.configure(["sh", "-c", script], change);
  }

  /** The command line of the runtime, with this ground's state directory. */
  command(...args: string[]): string[] {
    return [bun, main, "runc", "--root", this.root, ...args];
  }

  /** Runs the runtime in the bundle, behind the words of `before` when given. Output goes through files: a container keeps its stdio beyond the call. */
  async runc(args: string[], env: Record<string, string> = {}, before: string[] = []): Promise<Output> {
    const serial = Math.random().toString(36).slice(2);
    const out = join(this.directory, `${serial}.out`);
    const err = join(this.directory, `${serial}.err`);
    const child = Bun.spawn([...before, ...this.command(...args)], {
      cwd: this.bundle,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env },
      stdin: "ignore",
      stdout: Bun.file(out),
      stderr: Bun.file(err),
      timeout: 30_000,
    });
    const code = await child.exited;
    return { code, out: readFileSync(out, "utf8"), err: readFileSync(err, "utf8") };
  }

  /** As `runc`, and throws when it fails. */
  async ok(...args: string[]): Promise<string> {
    const { code, out, err } = await this.runc(args);
    if (code !== 0) throw new Error(`runc ${args.join(" ")}: exit ${code}: ${err}`);
    return out;
  }

  /** Runs a script as a container to its end. */
  async run(script: string, change?: (config: Config) => void): Promise<Output> {
    this.shell(script, change);
    return this.runc(["run", this.id]);
  }

  async state(): Promise<{ status: string; pid: number }> {
    return JSON.parse(await this.ok("state", this.id));
  }

  /** Whether anything of the container is left on the machine. */
  leftovers(): string[] {
    const mounts = readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(this.directory));
    const cgroups = readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
      .map(([, path]) => join(path!, this.id))
      .filter((path) => existsSync(path));
    const state = existsSync(join(this.root, this.id)) ? [join(this.root, this.id)] : [];
    return [...mounts, ...cgroups, ...state];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runc(["delete", "--force", this.id]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Waits until the condition holds; throws at the deadline. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadline = 10_000,
): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`timed out waiting for ${what}`);
    await Bun.sleep(5);
  }
}
