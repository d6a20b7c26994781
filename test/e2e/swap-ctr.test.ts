// The swap table's rows of ctr: each client with each daemon, everything that people do with it, the same for all pairs.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { built } from "../support/binary.ts";
import {
  realContainerd,
  realCtr,
  startContainerd,
  type TestContainerd,
  type Whose,
} from "../support/containerds.ts";
import { busyboxImage } from "../support/images.ts";
import { makeNetns, type Netns } from "../support/netns.ts";
import { must, until } from "../support/process.ts";
import { type Registry, startRegistry } from "../support/registry.ts";

setDefaultTimeout(90_000);

const missing = ["/bin/busybox", "/usr/bin/docker-registry", "/usr/bin/skopeo"].find(
  (path) => !Bun.which(path),
);
const lacking = (client: Whose, daemon: Whose) =>
  !built
    ? "dist/bunker is not built"
    : (missing ??
      (client === "real" && !realCtr
        ? "needs containerd's ctr"
        : daemon === "real" && !realContainerd
          ? "needs containerd"
          : undefined));

const pairs: [Whose, Whose][] = [
  ["real", "ours"],
  ["ours", "real"],
  ["ours", "ours"],
];
const BLOB = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

for (const [client, daemon] of pairs) {
  const why = lacking(client, daemon);
  describe.skipIf(why !== undefined)(
    `${client} ctr, ${daemon} containerd${why ? ` (skipped: ${why})` : ""}`,
    () => {
      // Ours on ours: only what the daemon does for its client; test/containerd has the rest.
      const elsewhere = (name: string, body: () => Promise<void>) => {
        if (client !== daemon) test(name, body);
      };
      let netns: Netns;
      let registry: Registry;
      let on: TestContainerd;
      let image = "";

      beforeAll(async () => {
        netns = await makeNetns();
        registry = await startRegistry(netns);
        await registry.push(await busyboxImage(), "busybox:1", "oci");
        await registry.push(await busyboxImage(), "busybox:2");
        on = await startContainerd(daemon, { netns });
        image = `${registry.address}/busybox:1`;
      });
      afterAll(async () => {
        await on?.[Symbol.asyncDispose]();
        await registry?.[Symbol.asyncDispose]();
        await netns?.[Symbol.asyncDispose]();
      });

      const ctr = (...args: string[]) => on.ctr(client, args);
      /** Exits 0; its stdout. */
      const ok = async (...args: string[]) => {
        const { code, stdout, stderr } = await ctr(...args);
        expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
        return stdout;
      };
      const RUNTIME = ["--runtime", "io.containerd.bunker.v2"];
      const run = (flags: string[], ...words: string[]) =>
        ctr("run", ...RUNTIME, "--fifo-dir", on.fifos, ...flags, image, ...words);
      const exec = (execId: string, id: string, ...words: string[]) =>
        ctr("tasks", "exec", "--fifo-dir", on.fifos, "--exec-id", execId, id, ...words);

      test("images: pull, ls, check, tag, label, rm", async () => {
        await ok("images", "pull", "--plain-http", image);
        expect(await ok("images", "ls", "-q")).toBe(`${image}\n`);
        expect(await ok("images", "ls")).toMatch(
          /oci\.image\.manifest\.v1\+json .* MiB linux\/amd64 +- *\n$/,
        );
        expect(await ok("images", "check")).toMatch(/ complete \(2\/2\) .* true *\n$/);
        expect(await ok("images", "tag", image, "box:1")).toBe("box:1\n");
        expect((await ctr("images", "tag", image, "box:1")).code).toBe(1);
        expect(await ok("images", "label", "box:1", "l=m")).toContain("l=m");
        expect(await ok("images", "rm", "box:1")).toBe("box:1\n");
        expect(await ok("images", "ls", "-q")).toBe(`${image}\n`);
      });

      elsewhere("run --rm: both outputs, the exit status, and nothing left", async () => {
        const ran = await run(["--rm"], "r1", "sh", "-c", "echo out; echo err >&2; exit 5");
        expect(ran).toEqual({ code: 5, stdout: "out\n", stderr: "err\n" });
        expect(await ok("containers", "ls", "-q")).toBe("");
        expect(await ok("snapshots", "ls")).not.toContain("Active");
        expect((await run(["--rm"], "r2", "/no/such")).stderr).toContain("no such file or directory");
        expect(await ok("tasks", "ls", "-q")).toBe("");
      });

      elsewhere("a task's life: run -d, ls, exec, ps, metrics, pause, resume, attach, kill, rm", async () => {
        await run(["-d"], "d1", "sh", "-c", "while [ ! -e /go ]; do sleep 0.1; done; echo said; sleep 1000");
        expect(await ok("tasks", "ls")).toMatch(/^d1 +\d+ +RUNNING/m);
        expect(await exec("e1", "d1", "sh", "-c", "echo in; exit 3")).toEqual({
          code: 3,
          stdout: "in\n",
          stderr: "",
        });
        expect(await ok("tasks", "ps", "d1")).toMatch(/^PID +INFO\n\d+ +-\n/);
        expect(await ok("tasks", "metrics", "d1")).toMatch(/^ID +TIMESTAMP *\nd1 [\s\S]*pids\.current +\d/);
        expect(
          JSON.parse(await ok("tasks", "metrics", "--format", "json", "d1")).pids.current,
        ).toBeGreaterThan(0);
        await ok("tasks", "pause", "d1");
        expect(await ok("tasks", "ls")).toMatch(/^d1 +\d+ +PAUSED/m);
        expect((await exec("e2", "d1", "true")).code).toBe(1);
        await ok("tasks", "resume", "d1");
        expect(await ok("containers", "ls")).toMatch(
          new RegExp(`^d1 +${image} +io.containerd.bunker.v2`, "m"),
        );
        expect(JSON.parse(await ok("containers", "info", "d1"))).toMatchObject({
          ID: "d1",
          Image: image,
          Snapshotter: "overlayfs",
          Spec: { process: { cwd: "/" } },
        });
        expect(await ok("containers", "label", "d1", "a=b")).toContain("a=b");
        const attached = Bun.spawn(on.command(client, ["tasks", "attach", "d1"]), {
          stdout: "pipe",
          stderr: "pipe",
        });
        await exec("e3", "d1", "touch", "/go");
        const reader = attached.stdout.getReader();
        expect(new TextDecoder().decode((await reader.read()).value)).toBe("said\n");
        reader.releaseLock();
        expect((await ctr("containers", "rm", "d1")).stderr).toContain(
          "cannot delete a non stopped container",
        );
        await ok("tasks", "kill", "-s", "SIGKILL", "d1");
        // Whoever is attached takes the task away.
        expect(await attached.exited).toBe(137);
        await until("the end", async () => (await ok("tasks", "ls", "-q")) === "");
        await ok("containers", "rm", "d1");
        expect(await ok("snapshots", "ls")).not.toMatch(/^d1\s/m);

        await ok("containers", "create", ...RUNTIME, image, "c1", "sleep", "1000");
        await ok("tasks", "start", "-d", "--fifo-dir", on.fifos, "c1");
        expect((await ctr("tasks", "checkpoint", "c1")).code).toBe(1);
        await ctr("tasks", "rm", "-f", "c1");
        expect(await ok("tasks", "ls", "-q")).toBe("");
        await ok("containers", "rm", "c1");
        expect(readdirSync(on.fifos)).toEqual([]);
      });

      elsewhere(
        "snapshots: ls, tree, usage, info, mounts, prepare, commit, view, diff, label, unpack, rm",
        async () => {
          const layer = /^(sha256:[0-9a-f]{64}) +Committed/m.exec(await ok("snapshots", "ls"))![1]!;
          await ok("snapshots", "prepare", "p1", layer);
          expect(await ok("snapshots", "tree")).toBe(` ${layer}\n  \\_ p1\n`);
          expect(await ok("snapshots", "usage")).toMatch(new RegExp(`^${layer} +[\\d.]+ MiB +\\d+ *$`, "m"));
          const mounted = await ok("snapshots", "mounts", "/mnt", "p1");
          const upper = /upperdir=([^,\n]+)/.exec(mounted)![1]!;
          writeFileSync(join(upper, "new"), "content");
          const tar = await must([
            "sh",
            "-c",
            `"$@" | tar -tzf -`,
            "sh",
            ...on.command(client, ["snapshots", "diff", "p1"]),
          ]);
          expect(tar).toBe("new\n");
          await ok("snapshots", "commit", "c1", "p1");
          expect(JSON.parse(await ok("snapshots", "info", "c1"))).toMatchObject({
            Kind: "Committed",
            Parent: layer,
          });
          expect(await ok("snapshots", "view", "--target", "/mnt", "v1", "c1")).toMatch(/^mount -t overlay /);
          expect(await ok("snapshots", "label", "v1", "x=y")).toContain("x=y");
          expect((await ctr("snapshots", "rm", "c1")).code).toBe(1);
          await ok("snapshots", "rm", "v1", "c1");
          const manifest = /sha256:[0-9a-f]{64}/.exec(await ok("images", "ls"))![0];
          expect(await ok("snapshots", "unpack", manifest)).toContain("done");
        },
      );

      elsewhere("content: ingest, ls, get, label, active, fetch, fetch-object, rm, prune", async () => {
        // What nothing refers to is the collector's, and Debian's may come by at any moment after the removals above.
        await until("a blob that stays", async () => {
          const ingested = await on.ctr(client, ["content", "ingest", "ref1"], { stdin: "hello\n" });
          expect(ingested.code).toBe(0);
          return (await ctr("content", "label", BLOB, "containerd.io/gc.root=now")).code === 0;
        });
        expect(await ok("content", "ls", "-q")).toContain(BLOB);
        expect(await ok("content", "get", BLOB)).toBe("hello\n");
        expect(await ok("content", "label", BLOB, "q=1")).toContain("q=1");
        expect(await ok("content", "active")).toMatch(/^REF\tSIZE\tAGE/);
        expect(await ok("content", "rm", BLOB)).toContain(BLOB);
        expect((await ctr("content", "get", BLOB)).code).toBe(1);
        await ok("content", "fetch", "--plain-http", `${registry.address}/busybox:2`);
        const manifest = await ok("content", "fetch-object", "--plain-http", `${registry.address}/busybox:2`);
        expect(JSON.parse(manifest).schemaVersion).toBe(2);
        await ok("images", "rm", "--sync", `${registry.address}/busybox:2`);
        await ok("content", "prune", "references");
        // The image's layer went with its label; its snapshot is what counts now.
        expect(await ok("images", "check")).toMatch(/incomplete \(1\/2\)/);
        await ok("images", "rm", "--sync", image);
        await ok("images", "pull", "--plain-http", image);
        expect(await ok("images", "check")).toMatch(/ complete \(2\/2\) .* true *\n$/);
      });

      test("images: export, import, push, mount, unmount, convert", async () => {
        const archive = join(on.dir, "a.tar");
        await ok("images", "export", archive, image);
        const names = await must(["tar", "-tf", archive]);
        for (const name of ["index.json", "manifest.json", "oci-layout", "blobs/sha256/"])
          expect(names).toContain(name);
        await ok("images", "rm", "--sync", image);
        expect(await ok("content", "ls", "-q")).toBe("");
        await ok("images", "import", archive);
        expect(await ok("images", "ls", "-q")).toBe(`${image}\n`);
        expect(await ok("images", "check")).toMatch(/ complete \(2\/2\) .* true *\n$/);
        expect((await ctr("images", "import", "/no/such.tar")).stderr).toBe(
          "ctr: open /no/such.tar: no such file or directory\n",
        );
        const pushed = `${registry.address}/pushed:1`;
        await ok("images", "push", "--plain-http", pushed, image);
        await ok("images", "pull", "--plain-http", pushed);
        await ok("images", "rm", pushed);

        const target = join(on.dir, "mnt");
        mkdirSync(target);
        expect(await ok("images", "mount", "--rw", image, target)).toMatch(/^sha256:[0-9a-f]{64}\n.*mnt\n$/);
        expect(readdirSync(target)).toContain("bin");
        writeFileSync(join(target, "written"), "");
        await ok("images", "unmount", "--rm", target);
        expect(readdirSync(target)).toEqual([]);
        expect(await ok("snapshots", "ls")).not.toContain(target);
        expect(await ok("leases", "ls", "-q")).toBe("");

        const same = (await ok("images", "convert", "--oci", image, "conv:1")).trim();
        expect(await ok("images", "ls", `name==${image}`)).toContain(same);
        // Both programs make the same documents.
        const plain = (await ok("images", "convert", "--uncompress", image, "conv:2")).trim();
        const other = await on.ctr(client === "ours" && realCtr ? "real" : "ours", [
          ...["images", "convert", "--uncompress", image, "conv:3"],
        ]);
        expect(other.stdout.trim()).toBe(plain);
        await ok("images", "rm", "conv:1", "conv:2", "conv:3");
      });

      elsewhere("leases, namespaces, plugins, oci spec, version", async () => {
        expect(await ok("leases", "create", "--id", "l1", "a=b")).toBe("l1\n");
        expect(await ok("leases", "ls")).toMatch(/^l1 +\S+ +a=b,containerd.io\/gc.expire=/m);
        expect(await ok("leases", "rm", "l1")).toBe("l1\n");
        await ok("namespaces", "create", "n1", "x=y");
        expect(await ok("namespaces", "ls")).toMatch(/^n1 +x=y/m);
        await ok("namespaces", "label", "n1", "x=z");
        expect(await ok("namespaces", "ls")).toMatch(/^n1 +x=z/m);
        expect(await ok("namespaces", "rm", "n1")).toBe("n1\n");
        expect(await ok("plugins", "ls")).toMatch(
          /^io.containerd.snapshotter.v1 +overlayfs +linux\/amd64 +ok/m,
        );
        expect(JSON.parse(await ok("oci", "spec")).root.path).toBe("rootfs");
        expect(await ok("version")).toMatch(/Server:\n +Version: /);
      });

      elsewhere("events tell of everything, in order", async () => {
        const watching = Bun.spawn(on.command(client, ["events"]), { stdout: "pipe", stderr: "ignore" });
        let seen = "";
        const reading = (async () => {
          for await (const chunk of watching.stdout) seen += new TextDecoder().decode(chunk);
        })();
        // The subscription is there once an event comes through.
        let serial = 0;
        await until("an event", async () => {
          await ok("namespaces", "create", `ping${serial++}`);
          return seen.includes("/namespaces/create");
        });
        await run(["--rm"], "ev", "true");
        await until("the last event", () => seen.includes("/containers/delete"));
        watching.kill();
        await reading;
        const topics = seen
          .split("\n")
          .map((line) => / (\/(?:snapshot|containers|tasks)\/\S+) /.exec(line)?.[1])
          .filter(Boolean);
        expect(topics.filter((topic) => topic!.startsWith("/tasks/"))).toEqual([
          "/tasks/create",
          "/tasks/start",
          "/tasks/exit",
          "/tasks/delete",
        ]);
        for (const topic of ["/snapshot/prepare", "/containers/create", "/containers/delete"])
          expect(topics).toContain(topic);
        for (const name of readdirSync(on.fifos))
          expect(statSync(join(on.fifos, name)).isDirectory()).toBe(true);
      });
    },
  );
}
