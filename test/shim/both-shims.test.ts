// What containerd expects of a shim, asked of ours and of its own: so that the test itself is known to be right.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "../../src/wire/ttrpc/codec.ts";
import { Metrics1, Metrics2 } from "../../src/wire/ttrpc/messages/metrics.ts";
import { DeleteResponse } from "../../src/wire/ttrpc/messages/task.ts";
import { ProcessDetails, STATUS } from "../../src/wire/ttrpc/messages/types.ts";
import { type BundleOptions, cannot, Host, realShim, until } from "./harness.ts";

const shims = [
  { name: "our shim", program: undefined, missing: cannot },
  {
    name: "containerd's shim",
    program: realShim ? [realShim] : undefined,
    missing: cannot ?? (realShim ? undefined : "needs containerd-shim-runc-v2"),
  },
];

for (const { name, program, missing } of shims) {
  describe.skipIf(missing !== undefined)(`${name}${missing ? ` (${missing})` : ""}`, () => {
    let host: Host;
    beforeAll(() => {
      host = new Host();
    });
    afterAll(() => host.close(), 30_000);
    const shimOf = (id: string, options: BundleOptions = {}) => host.shim(id, { program, ...options });
    const topics = (id: string) =>
      host.events.filter(({ event }) => event["containerId"] === id).map(({ topic }) => topic);

    /** A log binary that copies both streams into a file. */
    const logger = (file: string): string => {
      const path = join(host.directory, "logger");
      writeFileSync(
        path,
        `#!/bin/sh\nPATH=/usr/bin:/bin\necho "$CONTAINER_NAMESPACE/$CONTAINER_ID $*" >> ${file}\nexec 5>&-\ncat <&3 >> ${file} &\ncat <&4 >> ${file} &\nwait\n`,
      );
      chmodSync(path, 0o755);
      return path;
    };

    test("binary:// logging: descriptors 3, 4, 5, its environment and arguments", async () => {
      const file = join(host.directory, "logged");
      const shim = await shimOf("logs", {
        args: ["/bin/sh", "-c", "echo out; echo err >&2; exec sleep 1000"],
      }).start();
      await shim.create({ uri: `binary://${logger(file)}?key=a%20value` });
      await shim.task.start({ id: "logs" });
      const text = () => readFileSync(file, "utf8");
      await until("the output", () => text().includes("out\n") && text().includes("err\n"));
      expect(text().split("\n")[0]).toBe("test/logs key a value");
      await shim.task.kill({ id: "logs", signal: 9 });
      await shim.task.wait({ id: "logs" });
      expect((await shim.task.delete({ id: "logs" })).exitStatus).toBe(137);
    }, 30_000);

    test("binary:// that is not there", async () => {
      const shim = await shimOf("nologger", { args: ["/bin/true"] }).start();
      await expect(shim.create({ uri: "binary:///no/such/logger" })).rejects.toThrow(
        "failed to start binary process",
      );
    }, 30_000);

    test("file:// takes both streams, and its directory is made", async () => {
      const file = join(host.directory, "deep/er/file.log");
      const shim = await shimOf("file", { args: ["/bin/sh", "-c", "echo out; echo err >&2"] }).start();
      await shim.create({ uri: `file://${file}` });
      await shim.task.start({ id: "file" });
      await shim.task.wait({ id: "file" });
      await shim.task.delete({ id: "file" });
      expect(readFileSync(file, "utf8").split("\n").sort()).toEqual(["", "err", "out"]);
    }, 30_000);

    test("containers of one sandbox share a shim; each ends by itself", async () => {
      const annotations = { "io.kubernetes.cri.sandbox-id": "pod" };
      const pod = await shimOf("pod", { args: ["/bin/sleep", "1000"], annotations }).start();
      const app = await shimOf("app", {
        args: ["/bin/sh", "-c", "echo in the pod; exit 4"],
        annotations,
      }).start();
      expect(app.pid).toBe(pod.pid);
      expect(app.socket).toBe(pod.socket);
      const out = app.reader("stdout");
      const more = [pod.reader("stdout"), pod.reader("stderr"), app.reader("stderr")];
      await pod.create();
      await app.create();
      await pod.task.start({ id: "pod" });
      await app.task.start({ id: "app" });
      expect((await app.task.wait({ id: "app" })).exitStatus).toBe(4);
      expect(await out.end()).toBe("in the pod\n");
      expect((await app.task.delete({ id: "app" })).exitStatus).toBe(4);
      await app.task.shutdown({ id: "app" });
      // The shim stays for the other one.
      expect((await pod.task.state({ id: "pod" })).status).toBe(STATUS.RUNNING);
      await pod.task.kill({ id: "pod", signal: 9 });
      expect((await pod.task.wait({ id: "pod" })).exitStatus).toBe(137);
      await pod.task.delete({ id: "pod" });
      await pod.task.shutdown({ id: "pod" });
      await until("the shim's end", () => !existsSync(`/proc/${pod.pid}`));
      expect(topics("app")).toEqual(["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]);
      for (const each of more) each.close();
    }, 30_000);

    test("a sandbox's shim that is killed: delete cleans up after each of its containers", async () => {
      const annotations = { "io.kubernetes.cri.sandbox-id": "pod2" };
      const pod = await shimOf("pod2", { args: ["/bin/sleep", "1000"], annotations }).start();
      const app = await shimOf("app2", { args: ["/bin/sleep", "1000"], annotations }).start();
      const more = [pod, app].flatMap((shim) => [shim.reader("stdout"), shim.reader("stderr")]);
      const inits = [(await pod.create()).pid, (await app.create()).pid];
      await pod.task.start({ id: "pod2" });
      await app.task.start({ id: "app2" });
      process.kill(pod.pid, "SIGKILL");
      await until("its end", () => !existsSync(`/proc/${pod.pid}`));
      for (const [n, shim] of [app, pod].entries()) {
        const { code, stdout } = await shim.action("delete");
        expect(code).toBe(0);
        expect(decode(DeleteResponse, stdout)).toMatchObject({ pid: inits[1 - n], exitStatus: 137 });
      }
      for (const pid of inits) await until("the containers' end", () => !existsSync(`/proc/${pid}`));
      for (const each of more) each.close();
    }, 30_000);

    test("stats, pids, update, pause; events of all that in the promised order", async () => {
      const id = "figures";
      const shim = await shimOf(id, { args: ["/bin/sleep", "1000"] }).start();
      const more = [shim.reader("stdout"), shim.reader("stderr")];
      const { pid } = await shim.create();
      await shim.task.start({ id });
      const { stats } = await shim.task.stats({ id });
      if (stats?.typeUrl === Metrics1.name)
        expect(decode(Metrics1, stats.value).pids?.current).toBeGreaterThanOrEqual(1n);
      else {
        expect(stats?.typeUrl).toBe(Metrics2.name);
        expect(decode(Metrics2, stats!.value).pids?.current).toBeGreaterThanOrEqual(1n);
      }
      await shim.exec("e", ["/bin/sleep", "1000"]);
      const exec = [shim.reader("stdout", "e"), shim.reader("stderr", "e")];
      const { pid: execPid } = await shim.task.start({ id, execId: "e" });
      const { processes } = await shim.task.pids({ id });
      const detail = (info: (typeof processes)[number]["info"]) =>
        info ? decode(ProcessDetails, info.value).execId : "";
      expect(processes.map((each) => [each.pid, detail(each.info)]).sort()).toEqual(
        [
          [pid, ""],
          [execPid, "e"],
        ].sort(),
      );
      const resources = { pids: { limit: 77 } };
      await shim.task.update({
        id,
        resources: {
          typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
          value: new TextEncoder().encode(JSON.stringify(resources)),
        },
      });
      const after = (await shim.task.stats({ id })).stats!;
      const { pids } =
        after.typeUrl === Metrics1.name ? decode(Metrics1, after.value) : decode(Metrics2, after.value);
      expect(pids?.limit).toBe(77n);
      await shim.task.pause({ id });
      await shim.task.resume({ id });
      await shim.task.kill({ id, execId: "e", signal: 9 });
      expect((await shim.task.wait({ id, execId: "e" })).exitStatus).toBe(137);
      await shim.task.delete({ id, execId: "e" });
      await shim.task.kill({ id, signal: 9 });
      await shim.task.wait({ id });
      await shim.task.delete({ id });
      await until("events", () => topics(id).at(-1) === "/tasks/delete");
      expect(topics(id).map((topic) => topic.slice("/tasks/".length))).toEqual([
        "create",
        "start",
        "exec-added",
        "exec-started",
        "paused",
        "resumed",
        "exit",
        "exit",
        "delete",
      ]);
      for (const each of [...more, ...exec]) each.close();
    }, 30_000);
  });
}
