// Our own runtime in the shim's process: what the end of a `runc` process used to do is done, and nobody waits for a shim that waits.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { mkfifo } from "../../ffi/fifo.ts";
import { selfCommand } from "../../src/self.ts";
import { type BundleOptions, cannot, Host, type Shim, until } from "./harness.ts";

/** What a shim has open, without what the kernel or a stream may just be letting go. */
function descriptors(shim: Shim): string[] {
  return readdirSync(`/proc/${shim.pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${shim.pid}/fd/${fd}`).replace(/\[\d+\]/, "")];
    } catch {
      return [];
    }
  });
}

describe.skipIf(cannot !== undefined)(
  `the runtime in the shim's process${cannot ? ` (${cannot})` : ""}`,
  () => {
    let here: Host;
    beforeAll(() => {
      here = new Host();
    });
    afterAll(() => here.close());
    /** One that does not sleep: its descriptors are looked at. */
    const shimOf = (id: string, options: BundleOptions = {}) =>
      here
        .shim(id, { binary: "", args: ["/bin/sleep", "1000"], ...options })
        .start(2, { BUNKER_SHIM_IDLE: "0" });

    const execOnce = async (shim: Shim, execId: string, args: string[]): Promise<string> => {
      await shim.exec(execId, args);
      const [out, err] = [shim.reader("stdout", execId), shim.reader("stderr", execId)];
      try {
        await shim.task.start({ id: shim.id, execId });
        await shim.task.wait({ id: shim.id, execId });
        return await out.end();
      } finally {
        out.close();
        err.close();
        await shim.task.delete({ id: shim.id, execId });
      }
    };

    test("no start of a program, and no descriptor more, after many execs that run and that fail", async () => {
      const shim = await shimOf("many");
      await shim.create();
      await shim.task.start({ id: "many" });
      const some = async (from: number, count: number) => {
        for (let i = from; i < from + count; i++) {
          if (i % 4 === 0)
            await expect(execOnce(shim, `e${i}`, ["/no/such"])).rejects.toThrow("no such file");
          else expect(await execOnce(shim, `e${i}`, ["echo", String(i)])).toBe(`${i}\n`);
        }
      };
      await some(0, 20);
      const before = descriptors(shim).sort();
      await some(20, 200);
      await until("as many descriptors as before", () => descriptors(shim).length <= before.length);
      expect(descriptors(shim).sort()).toEqual(before);
      // Everything that was started has been reaped.
      const children = readFileSync(`/proc/${shim.pid}/task/${shim.pid}/children`, "utf8").trim().split(" ");
      expect(children).toHaveLength(1);
    }, 60_000);

    test("a failed create leaves no descriptor, and its words are in log.json as the command line leaves them", async () => {
      const shim = await shimOf("bad", { args: ["/no/such/program"] });
      const fail = () =>
        expect(shim.create()).rejects.toThrow(
          /^OCI runtime create failed: runc create failed: .*no such file/,
        );
      await fail();
      await fail();
      const before = descriptors(shim).sort();
      for (let i = 0; i < 20; i++) await fail();
      await until("as many descriptors as before", () => descriptors(shim).length <= before.length);
      const line = JSON.parse(readFileSync(join(shim.bundle, "log.json"), "utf8")) as Record<string, string>;
      expect(line).toMatchObject({ level: "error", msg: expect.stringMatching(/^runc create failed: /) });
      expect(line["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(readdirSync(`${here.directory}/runc/test`).filter((name) => name === "bad")).toEqual([]);
    }, 30_000);

    test("a container has its three streams and nothing of the shim's", async () => {
      const shim = await shimOf("open");
      await shim.create();
      await shim.task.start({ id: "open" });
      const { pid } = await shim.task.state({ id: "open" });
      await until("the program", () => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/bin/sleep"));
      expect(readdirSync(`/proc/${pid}/fd`).sort()).toEqual(["0", "1", "2"]);
      // The shell's own descriptor for what it reads is the fourth.
      expect(await execOnce(shim, "e", ["sh", "-c", "echo /proc/self/fd/*"])).toBe(
        "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n",
      );
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      for (const set of ["SigBlk", "SigIgn"]) expect(status).toMatch(new RegExp(`^${set}:\\t0{16}$`, "m"));
      expect(status).toMatch(new RegExp(`^PPid:\\t${shim.pid}$`, "m"));
    }, 30_000);

    test("hooks run beside the shim: it answers while one takes its time", async () => {
      const gate = join(here.directory, "gate");
      mkfifo(gate);
      const shim = await shimOf("hooked", {
        edit: (spec) => {
          spec["hooks"] = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `read line < ${gate}`] }] };
        },
      });
      const created = shim.create();
      // A reader is there once the hook is.
      const writer = await until("the hook", () => {
        try {
          return openSync(gate, constants.O_WRONLY | constants.O_NONBLOCK);
        } catch {
          return undefined;
        }
      });
      expect((await shim.task.connect({ id: "hooked" })).shimPid).toBe(shim.pid);
      writeSync(writer, "go\n");
      closeSync(writer);
      expect((await created).pid).toBeGreaterThan(1);
    }, 30_000);

    test("runc, called from outside, knows the container", async () => {
      const shim = await shimOf("known");
      const { pid } = await shim.create();
      const state = () => {
        const { cmd, argv0 } = selfCommand("runc");
        const child = Bun.spawnSync([...cmd, "--root", `${here.directory}/runc/test`, "state", "known"], {
          argv0,
        });
        return JSON.parse(child.stdout.toString()) as { status: string; pid: number };
      };
      expect(state()).toMatchObject({ status: "created", pid });
      await shim.task.start({ id: "known" });
      expect(state()).toMatchObject({ status: "running", pid });
      await shim.task.kill({ id: "known", signal: 9 });
      await shim.task.wait({ id: "known" });
      expect(state()).toMatchObject({ status: "stopped" });
      await shim.task.delete({ id: "known" });
      expect(readdirSync(`${here.directory}/runc/test`)).not.toContain("known");
    }, 30_000);
  },
);
