// What people at a prompt meet beside the life cycle: owners in `list`, arguments of `ps`, odd signals, logs that cannot be opened.
import { describe, expect, test } from "bun:test";
import { chownSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Ground, unable } from "./ground.ts";

const it = test.skipIf(unable !== "");

describe(`at a prompt${unable && ` (skipped: ${unable})`}`, () => {
  it("list names the owner as passwd does; ps takes ps's own arguments; signals 0 and 99", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    await ground.ok("run", "-d", ground.id);
    const owner = async () => (await ground.ok("list")).trim().split(/\s+/).at(-1);
    expect(await owner()).toBe("root");
    chownSync(join(ground.root, ground.id), 1, 1);
    expect(await owner()).toBe("daemon");
    chownSync(join(ground.root, ground.id), 54321, 1);
    expect(await owner()).toBe("#54321");
    expect(await ground.ok("ps", ground.id, "-o", "pid,args")).toMatch(
      /^\s*PID COMMAND\n\s*\d+ sleep 1000\n$/,
    );
    expect(await ground.runc(["ps", ground.id, "-o", "args"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("couldn't find PID field in ps output"),
    });
    expect(await ground.runc(["kill", ground.id, "0"])).toMatchObject({ code: 0, err: "" });
    expect((await ground.runc(["kill", ground.id, "99"])).err).toContain(
      "unable to signal init: invalid argument",
    );
  });

  it("the null device is the container's own, so that its root cannot change the host's", async () => {
    await using ground = new Ground();
    ground.configure(["sleep", "1000"]);
    const quiet = {
      cwd: ground.bundle,
      env: {},
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    } as const;
    await Bun.spawn(ground.command("run", "-d", ground.id), quiet).exited;
    await Bun.spawn(ground.command("exec", "-d", ground.id, "sleep", "2000"), quiet).exited;
    const pids: number[] = JSON.parse(await ground.ok("ps", "--format", "json", ground.id));
    expect(pids).toHaveLength(2);
    for (const pid of pids) {
      const device = (path: string) => statSync(`/proc/${pid}/${path}`).dev;
      expect([0, 1, 2].map((fd) => device(`fd/${fd}`))).toEqual(Array(3).fill(device("root/dev/null")));
      expect(device("fd/0")).not.toBe(statSync("/dev/null").dev);
    }
  });

  it("a log that cannot be opened stops the command, in runc's words", async () => {
    await using ground = new Ground();
    const path = join(ground.directory, "none", "log");
    const refused = await ground.runc(["--log", path, "run", ground.id]);
    expect(refused).toMatchObject({ code: 1, out: "" });
    expect(refused.err).toContain(`level=error msg="open ${path}: no such file or directory"`);
    expect(ground.leftovers()).toEqual([]);
    expect((await ground.runc(["--log", "/dev/full", "state", ground.id])).err).toBe(
      "Failed to write to log, write /dev/full: no space left on device\ncontainer does not exist\n",
    );
    const log = join(ground.directory, "log");
    await ground.runc(["--log", log, "--log-format", "json", "state", ground.id]);
    expect(JSON.parse(readFileSync(log, "utf8"))).toMatchObject({
      level: "error",
      msg: "container does not exist",
    });
  });

  it("values that are no number or duration are refused with the command's help", async () => {
    await using ground = new Ground();
    for (const [args, words] of [
      [["run", "--preserve-fds", "x", ground.id], 'invalid value "x" for flag -preserve-fds: parse error'],
      [["events", "--interval", "1", ground.id], 'invalid value "1" for flag -interval: parse error'],
      [
        ["exec", "-g", "x", ground.id, "true"],
        'invalid value "x" for flag -g: strconv.ParseInt: parsing "x": invalid syntax',
      ],
    ] as const) {
      const { code, out, err } = await ground.runc([...args]);
      expect(code).toBe(1);
      expect(out).toStartWith(`Incorrect Usage: ${words}\n\nNAME:\n   runc ${args[0]} - `);
      expect(err).toContain(JSON.stringify(words));
    }
  });
});
