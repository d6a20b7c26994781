// Debian's containerd as a daemon of its own, for tests that put parts of ours below it.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainEnvironment, run, until } from "./process.ts";

/** Why it cannot be started here; undefined when it can. */
export const noContainerd = ["/usr/bin/containerd", "/usr/bin/ctr", "/usr/bin/containerd-shim-runc-v2"]
  .filter((path) => !existsSync(path))
  .map((path) => `${path} is not installed`)[0];

/** What it starts with beyond content and tasks, and what wants devices, modules or paths of the machine. */
const DISABLED = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  ...["aufs", "btrfs", "devmapper", "zfs"].map((name) => `io.containerd.snapshotter.v1.${name}`),
];

export interface RealContainerd extends AsyncDisposable {
  address: string;
}

/** Starts it with directories of its own. Throws with its log when it does not answer. */
export async function startRealContainerd(): Promise<RealContainerd> {
  const dir = mkdtempSync(join(tmpdir(), "bunker-containerd-"));
  const address = join(dir, "containerd.sock");
  const log = join(dir, "log");
  writeFileSync(
    join(dir, "config.toml"),
    `version = 2
root = "${dir}/root"
state = "${dir}/state"
disabled_plugins = ${JSON.stringify(DISABLED)}
[grpc]
address = "${address}"
`,
  );
  const child = Bun.spawn(["/usr/bin/containerd", "--config", join(dir, "config.toml")], {
    env: plainEnvironment(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(log),
  });
  await until("Debian's containerd", async () => {
    if (child.exitCode !== null)
      throw new Error(`it exited ${child.exitCode}:\n${readFileSync(log, "utf8")}`);
    return (await run(["/usr/bin/ctr", "--address", address, "version"])).code === 0;
  });
  return {
    address,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
