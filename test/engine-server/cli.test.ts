// The real docker CLI against the engine's server (over containerd in memory): what people see.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Listeners } from "../../src/roles/engine/server/listen.ts";
import { serveApi } from "../../src/roles/engine/server/serve.ts";
import { realDocker } from "../support/binary.ts";
import { FakeContainerd, type FakeEngine, fakeEngine } from "./fakes.ts";

describe.skipIf(!realDocker)(
  `docker CLI${realDocker ? "" : " (skipped: no docker client on this machine)"}`,
  () => {
    let fake: FakeEngine;
    let api: Listeners;
    beforeAll(async () => {
      fake = await fakeEngine();
      api = await serveApi(fake.engine, { routes: [], hijacks: [] });
    });
    afterAll(() => {
      api.close();
      fake[Symbol.dispose]();
    });

    async function docker(...args: string[]): Promise<{ code: number; out: string; err: string }> {
      const child = Bun.spawn([realDocker!, "-H", `unix://${api.addresses[0]}`, ...args], {
        env: { PATH: process.env["PATH"] ?? "", DOCKER_CONFIG: fake.directory },
        stdout: "pipe",
        stderr: "pipe",
        timeout: 20_000,
      });
      const [out, err, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      return { code, out: out.trim(), err: err.trim() };
    }

    test("version and info", async () => {
      expect((await docker("version", "-f", "{{.Server.APIVersion}} {{.Server.MinAPIVersion}}")).out).toBe(
        "1.51 1.24",
      );
      const info = await docker("info");
      expect(info.code).toBe(0);
      expect(info.out).toContain("Runtimes: runc");
      expect(info.out).toContain("Default Runtime: runc");
      expect(info.out).toContain(`ID: ${fake.engine.id}`);
    });

    test("pull, images, rmi, events", async () => {
      const since = String((Date.now() - 1) / 1000);
      fake.containerd.pulling = async (request, report) => {
        const id = `sha256:${"1".repeat(64)}`;
        report({ event: "resolved" });
        report({ event: "waiting", id });
        report({ event: "downloaded", id });
        report({ event: "complete", id });
        return fake.containerd.name(request.reference, fake.containerd.document("sh"));
      };
      const pull = await docker("pull", "busybox");
      expect(pull.out.split("\n")).toEqual([
        "Using default tag: latest",
        "latest: Pulling from library/busybox",
        "111111111111: Pulling fs layer",
        "111111111111: Waiting",
        "111111111111: Download complete",
        "111111111111: Pull complete",
        expect.stringMatching(/^Digest: sha256:[0-9a-f]{64}$/),
        "Status: Downloaded newer image for busybox:latest",
        "docker.io/library/busybox:latest",
      ]);
      expect((await docker("images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}")).out).toBe(
        "busybox:latest 1kB",
      );
      expect((await docker("rmi", "busybox")).out).toStartWith(
        "Untagged: busybox:latest\nUntagged: busybox@sha256:",
      );
      expect((await docker("images", "-q")).out).toBe("");
      const until = String(Date.now() / 1000);
      const events = await docker("events", "--since", since, "--until", until, "--format", "{{.Action}}");
      expect(events.out.split("\n")).toEqual(["pull", "untag", "delete"]);
    });

    test("refusals reach people", async () => {
      fake.containerd.pulling = new FakeContainerd().pulling;
      expect(await docker("rmi", "nope")).toMatchObject({
        code: 1,
        err: "Error response from daemon: No such image: nope:latest",
      });
      expect((await docker("pull", "nope")).err).toStartWith(
        "Error response from daemon: pull access denied",
      );
      expect((await docker("node", "ls")).err).toContain("This node is not a swarm manager.");
      expect((await docker("network", "rm", "nope")).err).toContain("network nope not found");
      expect((await docker("volume", "inspect", "nope")).err).toContain("get nope: no such volume");
    });
  },
);
