// What people type every day, on an image pulled from a registry, by the real docker CLI and by ours.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { built, realDocker } from "../support/binary.ts";
import { type Engine, startEngine } from "../support/engine.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { plainEnvironment, run, until } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";
import { onTerminal } from "../support/terminal.ts";

const why = !built
  ? "dist/bunker is not built"
  : !Bun.which("docker-registry")
    ? "docker-registry is not installed"
    : undefined;

describe.skipIf(why !== undefined)(why ? `daily use (skipped: ${why})` : "daily use", () => {
  let netns: Netns;
  let registry: Registry;
  let engine: Engine;
  let image = "";

  beforeAll(async () => {
    netns = await makeNetns();
    registry = await startRegistry(netns);
    await registry.push(await busyboxImage(), "busybox:latest");
    engine = await startEngine(netns);
    image = `${registry.address}/busybox`;
  }, 120_000);

  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await netns?.[Symbol.asyncDispose]();
  }, 60_000);

  const names = [...(realDocker ? ["the real docker CLI"] : []), "our client"];
  if (!realDocker) test.skip("the real docker CLI (skipped: it is not installed)", () => {});

  describe.each(names)("%s", (name) => {
    const client = () => engine.clients.find((one) => one.name === name)!;
    const docker = (args: string[], options = {}) => engine.docker(args, { ...options, client: client() });

    test("pull shows a layer's progress, the digest and the status", async () => {
      await docker(["rmi", "-f", image]);
      const { code, stdout, stderr } = await docker(["pull", image]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain("Using default tag: latest");
      expect(stdout).toMatch(/latest: Pulling from busybox/);
      expect(stdout).toMatch(/[0-9a-f]{12}: Pull complete/);
      expect(stdout).toMatch(/Digest: sha256:[0-9a-f]{64}/);
      expect(stdout).toContain(`Status: Downloaded newer image for ${image}:latest`);
      const again = await docker(["pull", image]);
      expect(again.stdout).toContain(`Status: Image is up to date for ${image}:latest`);
    });

    test("run --rm echo", async () => {
      expect(await docker(["run", "--rm", image, "echo", "hi"])).toEqual({
        code: 0,
        stdout: "hi\n",
        stderr: "",
      });
    });

    test("exit codes are passed through", async () => {
      expect((await docker(["run", "--rm", image, "sh", "-c", "exit 42"])).code).toBe(42);
      expect((await docker(["run", "--rm", image, "sh", "-c", "sh -c 'kill -9 $$'; exit $?"])).code).toBe(
        137,
      );
      const missing = await docker(["run", "--rm", image, "no-such-program"]);
      expect(missing.code).toBe(127);
      expect(missing.stderr).toContain('exec: "no-such-program": executable file not found in $PATH');
      const notExecutable = await docker(["run", "--rm", image, "/etc/passwd"]);
      expect(notExecutable.code).toBe(126);
      expect(notExecutable.stderr).toContain("permission denied");
      const unknown = await docker(["run", "--rm", "--no-such-flag", image]);
      expect(unknown.code).toBe(125);
      expect(unknown.stderr).toContain("unknown flag: --no-such-flag");
      expect((await docker(["ps", "-aq"])).stdout).toBe("");
    });

    test("stdin, stdout and stderr are three streams", async () => {
      expect(await docker(["run", "--rm", "-i", image, "cat"], { stdin: "x\n" })).toEqual({
        code: 0,
        stdout: "x\n",
        stderr: "",
      });
      expect(await docker(["run", "--rm", image, "sh", "-c", "echo out; echo err >&2"])).toEqual({
        code: 0,
        stdout: "out\n",
        stderr: "err\n",
      });
    });

    test("a large stdin comes back whole", async () => {
      const bytes = Buffer.alloc(20_000_000, "0123456789abcdef\n");
      const { code, stdout } = await docker(["run", "--rm", "-i", image, "cat"], { stdin: bytes });
      expect(code).toBe(0);
      expect(Bun.hash(stdout)).toBe(Bun.hash(bytes.toString()));
    });

    test("a real terminal: resize, ^C, exit code", async () => {
      await using terminal = onTerminal(engine.command(["run", "--rm", "-it", image, "sh"], client()));
      await terminal.shows("/ # ");
      terminal.type("stty size\n");
      await terminal.shows("24 80");
      terminal.resize(101, 31);
      await until("the container's terminal to follow", async () => {
        terminal.type("stty size\n");
        await Bun.sleep(50);
        return terminal.screen().includes("31 101");
      });
      // ^C means something only once the program runs: before that the shell reads it as a character.
      terminal.type("sh -c 'echo started-$((1+1)); exec sleep 1000'\n");
      await terminal.shows("started-2");
      terminal.type("\x03");
      terminal.type("echo after-$((6*7))\n");
      await terminal.shows("after-42");
      terminal.type("exit 7\n");
      expect(await terminal.exited).toBe(7);
    });

    test("the detach keys leave the container running; attach comes back", async () => {
      {
        await using terminal = onTerminal(
          engine.command(["run", "-it", "--name", "detached", image, "sh"], client()),
        );
        await terminal.shows("/ # ");
        terminal.type("\x10\x11");
        expect(await terminal.exited).toBe(0);
      }
      expect((await docker(["inspect", "-f", "{{.State.Running}}", "detached"])).stdout).toBe("true\n");
      {
        await using terminal = onTerminal(engine.command(["attach", "detached"], client()));
        terminal.type("\n");
        await terminal.shows("/ # ");
        terminal.type("echo back-$((6*7))\n");
        await terminal.shows("back-42");
        terminal.type("exit 5\n");
        expect(await terminal.exited).toBe(5);
      }
      expect((await docker(["rm", "detached"])).stdout).toBe("detached\n");
    });

    test("run -d -p: the published port answers; exec, logs -f, ps, stop, rm", async () => {
      const started = await docker([
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        "127.0.0.1:8080:80",
        image,
        "sh",
        "-c",
        "echo served > /tmp/index.html; echo ready; exec httpd -f -v -p 80 -h /tmp",
      ]);
      expect(started.code).toBe(0);
      expect(started.stdout).toMatch(/^[0-9a-f]{64}\n$/);
      const get = () =>
        run(netns.inside(["/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/index.html"]));
      await until("the published port", async () => (await get()).stdout === "served\n");

      const ps = await docker(["ps", "-a"]);
      expect(ps.stdout).toContain("CONTAINER ID   IMAGE");
      expect(ps.stdout).toContain("127.0.0.1:8080->80/tcp");
      expect(ps.stdout).toMatch(/Up (Less than a second|\d+ seconds?|About a minute)/);

      expect((await docker(["exec", "web", "cat", "/tmp/index.html"])).stdout).toBe("served\n");
      expect((await docker(["exec", "web", "sh", "-c", "exit 9"])).code).toBe(9);
      expect((await docker(["exec", "-i", "web", "cat"], { stdin: "through exec" })).stdout).toBe(
        "through exec",
      );
      expect(
        (await docker(["exec", "-e", "A=b", "-w", "/tmp", "web", "sh", "-c", "echo $A $PWD"])).stdout,
      ).toBe("b /tmp\n");
      expect((await docker(["exec", "web", "no-such-program"])).code).toBe(127);

      const follow = Bun.spawn(engine.command(["logs", "-f", "web"], client()), {
        env: plainEnvironment(),
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const followed = Promise.all([new Response(follow.stdout).text(), new Response(follow.stderr).text()]);
      await get();

      const stopped = await docker(["stop", "-t", "1", "web"]);
      expect(stopped).toEqual({ code: 0, stdout: "web\n", stderr: "" });
      const [out, err] = await followed;
      expect(await follow.exited).toBe(0);
      expect(out).toStartWith("ready\n");
      expect(err).toContain("response:200");
      expect((await docker(["ps", "-a"])).stdout).toMatch(/Exited \((137|143|0)\)/);
      expect((await docker(["rm", "web"])).stdout).toBe("web\n");
      expect((await docker(["ps", "-aq"])).stdout).toBe("");
      const gone = await get();
      expect(gone.code).not.toBe(0);
    });

    test("wait, kill, create and start apart, inspect, events", async () => {
      const created = await docker(["create", "--name", "apart", image, "sleep", "1000"]);
      expect(created.code).toBe(0);
      const id = created.stdout.trim();
      expect((await docker(["start", "apart"])).stdout).toBe("apart\n");
      const waiting = docker(["wait", "apart"]);
      expect((await docker(["kill", "-s", "TERM", "apart"])).stdout).toBe("apart\n");
      expect((await docker(["kill", "apart"])).code).toBeLessThanOrEqual(1);
      expect((await waiting).stdout).toMatch(/^1(37|43)\n$/);
      const inspected = JSON.parse((await docker(["inspect", "apart"])).stdout);
      expect(inspected[0]).toMatchObject({
        Id: id,
        Name: "/apart",
        State: { Status: "exited", Running: false },
      });
      const events = await docker([
        "events",
        "--since",
        "10m",
        "--until",
        `${Math.ceil(Date.now() / 1000)}`,
        "--filter",
        `container=${id}`,
        "--format",
        "{{.Action}}",
      ]);
      expect(events.stdout.split("\n")).toEqual(expect.arrayContaining(["create", "start", "die"]));
      expect((await docker(["rm", "apart"])).code).toBe(0);
      const missing = await docker(["inspect", "apart"]);
      expect(missing.code).toBe(1);
      expect(missing.stdout).toBe("[]\n");
    });
  });
});
