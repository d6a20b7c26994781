// podman and conmon with our runtime below.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built, linkRoles } from "../support/binary.ts";
import { removeCgroups } from "../support/cgroups.ts";
import { busyboxRootfs } from "../support/images.ts";
import { must, run, until } from "../support/process.ts";
import { onTerminal } from "../support/terminal.ts";
import { unable } from "./ground.ts";

const missing = ["/usr/bin/podman", "/usr/bin/conmon"].find((path) => !existsSync(path));
const why =
  unable ||
  (!built ? "dist/bunker is not built" : missing === undefined ? "" : `${missing} is not installed`);

describe.skipIf(why !== "")(`below podman${why && ` (skipped: ${why})`}`, () => {
  const directory = why ? "" : mkdtempSync(join(tmpdir(), "bunker-podman-"));
  const bin = why ? "" : linkRoles();

  const podman = (...args: string[]) => [
    "/usr/bin/podman",
    ...[
      "--root",
      join(directory, "root"),
      "--runroot",
      join(directory, "run"),
      "--tmpdir",
      join(directory, "tmp"),
    ],
    ...["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"],
    ...["--runtime", join(bin, "runc")],
    ...args,
  ];
  /** The program of a pod's first container: podman would build an image of catatonit for it. */
  const env = { CONTAINERS_CONF: join(directory, "containers.conf") };
  const ok = async (...args: string[]) => (await must(podman(...args), { env })).trimEnd();
  const inspect = (format: string, name: string) => ok("inspect", "--format", format, name);

  beforeAll(async () => {
    writeFileSync(env.CONTAINERS_CONF, '[engine]\ninfra_image = "localhost/busybox"\n');
    await busyboxRootfs(join(directory, "rootfs"));
    await must(["tar", "-C", join(directory, "rootfs"), "-cf", join(directory, "image.tar"), "."]);
    await ok(
      ...["import", "--change", 'CMD ["sleep","1000"]', "--change", "ENV PATH=/bin"],
      ...["--change", "STOPSIGNAL KILL", join(directory, "image.tar"), "localhost/busybox"],
    );
  });

  afterAll(async () => {
    if (directory) await run(podman("pod", "rm", "--all", "--force", "--time", "0"), { env });
    if (directory) await run(podman("rm", "--all", "--force", "--time", "0"), { env });
    for (const one of [directory, bin]) if (one) rmSync(one, { recursive: true });
    // podman leaves its own parent, and in some hierarchies that of a pod.
    if (directory) removeCgroups("libpod_parent");
  });

  const alone = ["--network", "none"];

  test("run: output, exit codes", async () => {
    expect(
      await run(podman("run", "--rm", ...alone, "busybox", "sh", "-c", "echo out; exit 7"), { env }),
    ).toMatchObject({ code: 7, stdout: "out\n" });
    expect((await run(podman("run", "--rm", ...alone, "busybox", "/nosuch"), { env })).code).toBe(127);
    expect((await run(podman("run", "--rm", ...alone, "busybox", "/etc"), { env })).code).toBe(126);
  });

  test("run and exec on a terminal", async () => {
    const shell = podman("run", "--rm", "--name", "seen", "-it", ...alone, "busybox", "sh");
    await using terminal = onTerminal(shell, env);
    await terminal.shows("/ # ");
    terminal.type("tty; echo $((40+2))\r");
    await terminal.shows("/dev/pts/0");
    await terminal.shows("42");
    await using second = onTerminal(podman("exec", "-it", "seen", "sh"), env);
    await second.shows("/ # ");
    second.type("tty; exit 5\r");
    await second.shows("/dev/pts/1");
    // Its exit code podman forgets on a loaded machine; an exec without a terminal, below, is asked for it.
    await second.exited;
    terminal.type("exit 6\r");
    expect(await terminal.exited).toBe(6);
  });

  test("exec, top, pause, stats, kill, restart, stop", async () => {
    await ok("run", "-d", "--name", "stays", "--memory", "64m", ...alone, "busybox");
    expect(await ok("exec", "stays", "cat", "/proc/1/comm")).toBe("sleep");
    expect((await run(podman("exec", "stays", "sh", "-c", "exit 3"), { env })).code).toBe(3);
    expect(await ok("top", "stays", "pid", "args")).toMatch(/^PID\s+COMMAND\n1\s+sleep 1000$/);
    await ok("pause", "stays");
    expect(await inspect("{{.State.Status}}", "stays")).toBe("paused");
    await ok("unpause", "stays");
    expect(await inspect("{{.State.Status}}", "stays")).toBe("running");
    expect(await ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "stays")).toMatch(
      /^[1-9]\S* \/ 67\.11MB 1$/,
    );
    await ok("kill", "stays");
    expect(await ok("wait", "stays")).toBe("137");
    await ok("start", "stays");
    await ok("restart", "stays");
    expect(await inspect("{{.State.Running}}", "stays")).toBe("true");
    await ok("stop", "stays");
    expect(await inspect("{{.State.Status}} {{.State.ExitCode}}", "stays")).toBe("exited 137");
    await ok("rm", "stays");
  });

  test("play kube: a pod with a container in the pod's namespaces", async () => {
    const file = join(directory, "pod.yaml");
    writeFileSync(
      file,
      `apiVersion: v1
kind: Pod
metadata: { name: pod }
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
    - { name: one, image: localhost/busybox, imagePullPolicy: Never }
`,
    );
    await ok("play", "kube", file);
    await until("the pod", async () => (await ok("pod", "ps", "--format", "{{.Status}}")) === "Running");
    const ipc = (name: string) => ok("exec", name, "readlink", "/proc/self/ns/ipc");
    expect(await ipc("pod-one")).toBe(await ipc(await infra()));
    await ok("play", "kube", "--down", file);
    expect(await ok("ps", "-aq")).toBe("");
  });

  const infra = async () =>
    (await ok("ps", "--all", "--format", "{{.Names}}")).split("\n").find((name) => name.endsWith("-infra"))!;
});
