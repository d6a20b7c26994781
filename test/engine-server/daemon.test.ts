// dockerd as a process, from this checkout, in a network namespace of its own: start, refusals, signals, restart.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeNetns, type Netns } from "../support/netns.ts";
import { plainEnvironment, type Result, run, until } from "../support/process.ts";

const root = join(import.meta.dir, "..", "..");
// By its link: main.ts tells a checkout by argv[0].
const checkout = [join(root, "node_modules", ".bin", "bun"), join(root, "src", "main.ts")];
const noRoot = process.getuid?.() === 0 ? "" : " (skipped: needs root)";

// Several processes start one after another, on whatever cores there are.
setDefaultTimeout(60_000);

interface Daemon {
  child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  log(): string;
}

describe.skipIf(noRoot !== "")(`dockerd${noRoot}`, () => {
  let netns: Netns;
  let directory: string;
  let daemon: Daemon | undefined;
  const at = (name: string) => join(directory, name);
  const socket = () => at("docker.sock");
  const command = (args: string[]) => netns.inside([...checkout, "dockerd", ...args]);
  const places = () => [
    ...["-H", `unix://${socket()}`, "--data-root", at("data"), "--exec-root", at("exec")],
    ...["--pidfile", at("docker.pid"), "--config-file", at("daemon.json")],
  ];
  const refuse = (...args: string[]): Promise<Result> => run(command(args), { deadline: 20_000 });
  const get = (path: string) => fetch(`http://docker${path}`, { unix: socket() });

  async function start(...args: string[]): Promise<Daemon> {
    const child = Bun.spawn(command([...places(), ...args]), {
      env: plainEnvironment(),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    let text = "";
    void (async () => {
      for await (const chunk of child.stderr) text += new TextDecoder().decode(chunk);
    })();
    daemon = { child, log: () => text };
    await until("the API", async () => {
      if (child.exitCode !== null) throw new Error(`dockerd exited: ${text}`);
      return text.includes("API listen on") && (await get("/_ping")).ok;
    });
    return daemon;
  }

  async function stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    const running = daemon!;
    daemon = undefined;
    running.child.kill(signal);
    return running.child.exited;
  }

  beforeAll(async () => {
    netns = await makeNetns();
    directory = mkdtempSync(join(tmpdir(), "bunker-dockerd-"));
    writeFileSync(at("daemon.json"), "{}");
  });
  afterAll(async () => {
    if (daemon) await stop();
    rmSync(directory, { recursive: true, force: true });
    await netns[Symbol.asyncDispose]();
  });

  test("says what it is without starting", async () => {
    expect((await refuse("--version")).stdout).toMatch(/^Docker version \S+, build \S+\n$/);
    expect((await refuse("--help")).stdout).toContain("--data-root string");
    expect(await refuse("--validate", "--config-file", at("daemon.json"))).toMatchObject({
      code: 0,
      stderr: "configuration OK\n",
    });
  });

  test("refuses what it cannot do", async () => {
    expect(await refuse("--nope")).toMatchObject({
      code: 1,
      stderr: "unknown flag: --nope\nSee 'dockerd --help'.\n",
    });
    writeFileSync(at("bad.json"), '{"debug": true}');
    expect((await refuse("--config-file", at("bad.json"), "--debug")).stderr).toBe(
      `unable to configure the Docker daemon with file ${at("bad.json")}: the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)\n`,
    );
    writeFileSync(at("bad.json"), '{"debug": ');
    expect((await refuse("--validate", "--config-file", at("bad.json"))).stderr).toContain("invalid JSON");
  });

  test("starts with dockerd's lines, holds its pid file, refuses a second one", async () => {
    const { child, log } = await start();
    const messages = [...log().matchAll(/msg="([^"]*)"/g)].map((match) => match[1]);
    for (const message of [
      "Starting up",
      "Loading containers: start.",
      "Loading containers: done.",
      "Docker daemon",
      "Daemon has completed initialization",
      `API listen on ${socket()}`,
    ]) {
      expect(messages).toContain(message);
    }
    expect(readFileSync(at("docker.pid"), "utf8")).toBe(String(child.pid));
    const second = await refuse(...places());
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(
      `failed to start daemon: pid file found, ensure docker is not running or delete ${at("docker.pid")}: process with PID ${child.pid} is still running`,
    );
    const other = await refuse(...places(), "--pidfile", at("other.pid"));
    expect(other.stderr).toContain(`another engine is running on the data root ${at("data")}`);
    expect(existsSync(join(directory, "exec", "containerd", "containerd.sock"))).toBeTrue();
  });

  test("SIGHUP takes over a changed file and survives a broken one; SIGUSR1 writes a dump", async () => {
    const { child, log } = daemon!;
    writeFileSync(at("daemon.json"), '{"labels": ["a=b"], "debug": true}');
    child.kill("SIGHUP");
    await until("the reload", () => log().includes("Reloaded configuration"));
    expect(await (await get("/info")).json()).toMatchObject({ Labels: ["a=b"], Debug: true });
    writeFileSync(at("daemon.json"), "{");
    child.kill("SIGHUP");
    await until("the refusal", () => log().includes("Error reconfiguring the daemon"));
    expect(await (await get("/info")).json()).toMatchObject({ Labels: ["a=b"] });
    writeFileSync(at("daemon.json"), "{}");
    child.kill("SIGUSR1");
    await until("the dump", () => readdirSync(at("exec")).some((name) => name.startsWith("engine-dump-")));
  });

  test("SIGTERM ends it in order although clients hold connections", async () => {
    const idle = connect(socket());
    idle.write("GET /events HTTP/1.1\r\nHost: docker\r\n\r\n");
    await new Promise((resolve) => idle.once("data", resolve));
    const closed = new Promise((resolve) => idle.once("close", resolve));
    expect(await stop()).toBe(0);
    await closed;
    expect(existsSync(at("docker.pid"))).toBeFalse();
  });

  test("after kill -9 it starts again with the same identity and images", async () => {
    await start();
    const { ID } = (await (await get("/info")).json()) as { ID: string };
    const pull = await fetch("http://docker/images/create?fromImage=bunker.internal/hello&tag=latest", {
      unix: socket(),
      method: "POST",
    });
    expect(await pull.text()).toContain("Status: Downloaded newer image for bunker.internal/hello:latest");
    await stop("SIGKILL");
    expect(existsSync(at("docker.pid"))).toBeTrue();
    await start();
    expect(await (await get("/info")).json()).toMatchObject({ ID, Images: 1 });
    const removed = await fetch("http://docker/images/bunker.internal/hello", {
      unix: socket(),
      method: "DELETE",
    });
    expect(await removed.json()).toMatchObject([{ Untagged: "bunker.internal/hello:latest" }, {}, {}, {}]);
    expect(await stop("SIGINT")).toBe(0);
  });
});
