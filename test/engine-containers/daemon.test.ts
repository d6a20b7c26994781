// The whole engine as a process, killed with -9 at the worst moments: containers run on, no log line is lost, exits are known.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realDocker } from "../support/binary.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, plainEnvironment, type Result, type RunOptions, run, until } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";

setDefaultTimeout(120_000);
const MAIN = join(import.meta.dir, "../../src/main.ts");
const missing = realDocker ? "" : " (skipped: no docker CLI)";

describe.skipIf(missing !== "")(`the engine's death${missing}`, () => {
  let directory: string;
  let netns: Netns;
  let daemon: Bun.Subprocess;
  let image: string;

  const docker = (args: string[], options?: RunOptions): Promise<Result> =>
    run([realDocker!, "-H", `unix://${directory}/d.sock`, ...args], {
      ...options,
      env: { DOCKER_CONFIG: join(directory, "config") },
    });
  const ok = async (...args: string[]): Promise<string> => {
    const result = await docker(args);
    if (result.code !== 0) throw new Error(`docker ${args.join(" ")}: ${result.stderr}\n${log()}`);
    return result.stdout.trim();
  };
  const log = (): string => readFileSync(join(directory, "log"), "utf8").split("\n").slice(-30).join("\n");

  async function up(): Promise<void> {
    const file = openSync(join(directory, "log"), "a");
    daemon = Bun.spawn(
      netns.inside([
        join(import.meta.dir, "../../node_modules/.bin/bun"),
        MAIN,
        "dockerd",
        "--data-root",
        join(directory, "data"),
        "--exec-root",
        join(directory, "exec"),
        "--pidfile",
        join(directory, "pid"),
        "-H",
        `unix://${directory}/d.sock`,
        "--bridge=none",
      ]),
      { cwd: directory, env: plainEnvironment(), stdin: "ignore", stdout: file, stderr: file },
    );
    closeSync(file);
    await until("the engine answers", async () => {
      const answer = await docker(["version"]);
      if (answer.code !== 0) throw new Error(`${answer.stderr}\n${log()}`);
      return true;
    });
  }

  async function crash(): Promise<void> {
    process.kill(Number(readFileSync(join(directory, "pid"), "utf8")), "SIGKILL");
    await daemon.exited;
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "bunker-d-"));
    netns = await makeNetns();
    await using registry = await startRegistry(netns, 5098);
    await registry.push(await busyboxImage(), "busybox:1", "oci");
    image = `${registry.address}/busybox:1`;
    await up();
    await ok("pull", "-q", image);
  });

  afterAll(async () => {
    const left = (await docker(["ps", "-aq"])).stdout.split("\n").filter((id) => id !== "");
    if (left.length > 0) await docker(["rm", "-f", "-v", ...left]);
    daemon.kill("SIGTERM");
    await daemon.exited;
    await netns[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const create = (name: string, script: string, ...flags: string[]): Promise<string> =>
    ok("run", "-d", "--name", name, "--network", "none", ...flags, image, "sh", "-c", script);

  test("log lines go on, the exit code of a container that ended meanwhile is known", async () => {
    await create("counts", "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done");
    await create("ends", "sleep 1; echo bye; exit 9");
    await until("first lines", async () => (await ok("logs", "counts")).split("\n").length > 3);
    await crash();
    const shim = JSON.parse(
      readFileSync(join(directory, "data/containers", onlyDirectory("counts"), "config.v2.json"), "utf8"),
    ) as { State: { Pid: number } };
    await until(
      "the second container has ended",
      () => readdirSync(join(directory, "exec/libcontainerd")).length > 0 && !alive("sleep 1; echo bye"),
    );
    expect(existsSync(`/proc/${shim.State.Pid}`)).toBe(true);
    await up();
    expect(await ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "ends")).toBe("exited 9");
    expect(await ok("logs", "ends")).toBe("bye");
    expect(await ok("exec", "counts", "echo", "hi")).toBe("hi");
    const before = (await ok("logs", "counts")).split("\n").length;
    await until("more lines", async () => (await ok("logs", "counts")).split("\n").length > before);
    await ok("stop", "-t", "0", "counts");
    const lines = (await ok("logs", "counts")).split("\n");
    expect(lines).toEqual(lines.map((_line, number) => `line ${number}`));
    expect(await ok("inspect", "-f", "{{.State.ExitCode}}", "counts")).toBe("137");
    await ok("rm", "counts", "ends");
  });

  function onlyDirectory(name: string): string {
    const root = join(directory, "data/containers");
    const found = readdirSync(root).find((id) => {
      const file = join(root, id, "config.v2.json");
      return (
        existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { Name: string }).Name === `/${name}`
      );
    });
    if (!found) throw new Error(`no container ${name} on disk`);
    return found;
  }

  function alive(words: string): boolean {
    return readdirSync("/proc").some((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(words);
      } catch {
        return false;
      }
    });
  }

  test("input and output of a live container are attached to again", async () => {
    await ok("run", "-d", "-i", "--name", "echoes", "--network", "none", image, "cat");
    await crash();
    await up();
    const attached = Bun.spawn([realDocker!, "-H", `unix://${directory}/d.sock`, "attach", "echoes"], {
      env: plainEnvironment({ DOCKER_CONFIG: join(directory, "config") }),
      stdin: "pipe",
      stdout: "pipe",
    });
    attached.stdin.write("hello\n");
    await attached.stdin.flush();
    const { value } = await attached.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("hello\n");
    expect(await ok("logs", "echoes")).toBe("hello");
    await ok("rm", "-f", "echoes");
    attached.kill();
    await attached.exited;
  });

  test("300 MB through stdin and stdout arrive whole, with the engine's memory flat", async () => {
    const pid = Number(readFileSync(join(directory, "pid"), "utf8"));
    const memory = (): number =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]) >> 10;
    const before = memory();
    const client = `${realDocker} -H unix://${directory}/d.sock run --rm -i --network none ${image} cat`;
    const sum = await must(["sh", "-c", `head -c 314572800 /dev/zero | ${client} | (sleep 1; sha256sum)`], {
      env: { DOCKER_CONFIG: join(directory, "config") },
      deadline: 100_000,
    });
    expect(sum).toBe(await must(["sh", "-c", "head -c 314572800 /dev/zero | sha256sum"]));
    expect(memory() - before).toBeLessThan(100);
  });

  test("afterwards nothing is left: no container, bundle, mount or descriptor", async () => {
    expect(await ok("ps", "-aq")).toBe("");
    expect(readdirSync(join(directory, "exec/libcontainerd"))).toEqual([]);
    expect(readdirSync(join(directory, "data/containers")).filter((name) => name !== ".damaged")).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(directory);
    const pid = readFileSync(join(directory, "pid"), "utf8");
    const open = (await must(["ls", "-l", `/proc/${pid}/fd`])).split("\n");
    expect(open.filter((line) => line.includes("libcontainerd"))).toEqual([]);
  });
});
