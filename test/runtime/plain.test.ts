// `start` and `delete` without an engine (scripts/plain-verbs.ts): when they may, what they leave, and that every doubt ends in the verb.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directories } from "../../src/roles/runtime/cgroup/paths.ts";
import type { Config } from "../../src/spec/oci/runtime.ts";
import { built, bunker } from "../support/binary.ts";
import { Ground, unable as noRoot, until } from "./ground.ts";

const unable =
  noRoot ||
  (process.arch !== "x64" ? "only executables for x86-64 have it" : built ? "" : "dist/bunker is not built");
/** A ground whose runtime is the executable, by its name. */
class Compiled extends Ground {
  static #names = "";
  static prepare(): void {
    Compiled.#names = mkdtempSync(join(tmpdir(), "plain-"));
    symlinkSync(bunker, join(Compiled.#names, "runc"));
  }
  static clear(): void {
    rmSync(Compiled.#names, { recursive: true, force: true });
  }

  readonly program = join(Compiled.#names, "runc");

  override command(...args: string[]): string[] {
    return [this.program, "--root", this.root, ...args];
  }

  /** Runs words behind the program's name. Whether it came to libc's start code is what the dynamic loader says. man 8 ld.so */
  call(...words: string[]): { code: number; err: string; engine: boolean } {
    const said = join(this.directory, "loader");
    const { pid, exitCode, stderr } = Bun.spawnSync([this.program, ...words], {
      cwd: this.bundle,
      env: { LD_DEBUG: "libs", LD_DEBUG_OUTPUT: said },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const engine = readFileSync(`${said}.${pid}`, "utf8").includes("transferring control: ");
    return { code: exitCode, err: stderr.toString(), engine };
  }

  verb(...words: string[]) {
    return this.call("--root", this.root, ...words);
  }

  async created(script: string, change?: (config: Config) => void): Promise<void> {
    this.shell(script, change);
    await this.ok("create", this.id);
  }

  stopped(): Promise<void> {
    return until("its end", async () => (await this.state()).status === "stopped");
  }
}

const PLAIN = { code: 0, err: "", engine: false };
const BY_THE_VERB = { code: 0, err: "", engine: true };

describe.skipIf(unable !== "")(`plain verbs${unable && ` (skipped: ${unable})`}`, () => {
  beforeAll(Compiled.prepare);
  afterAll(Compiled.clear);

  test("a container without hooks is started and deleted, and nothing is left", async () => {
    await using ground = new Compiled();
    const log = join(ground.directory, "log.json");
    await ground.created("echo here > /tmp/mark", (config) => {
      config.root!.readonly = false;
    });
    expect(
      ground.call("--root", ground.root, "--log", log, "--log-format", "json", "start", ground.id),
    ).toEqual(PLAIN);
    expect(readFileSync(log, "utf8")).toBe("");
    await ground.stopped();
    expect(readFileSync(join(ground.rootfs, "tmp", "mark"), "utf8")).toBe("here\n");
    expect(ground.verb("delete", ground.id)).toEqual(PLAIN);
    expect(ground.leftovers()).toEqual([]);
    expect(ground.verb("delete", ground.id)).toMatchObject({ code: 1, engine: true });
    expect(ground.verb("delete", "--force", ground.id)).toMatchObject({ code: 0, engine: true });
    // `run --detach` leaves the same.
    ground.shell("true");
    await ground.ok("run", "--detach", ground.id);
    await ground.stopped();
    expect(ground.verb("delete", "--force", ground.id)).toEqual(PLAIN);
    expect(ground.leftovers()).toEqual([]);
  });

  test("what has ended before its start, or runs already, is told as ever", async () => {
    await using ground = new Compiled();
    await ground.created("sleep 1000");
    expect(ground.verb("start", ground.id)).toEqual(PLAIN);
    expect(ground.verb("start", ground.id).err).toContain("cannot start an already running container");
    expect(ground.verb("delete", ground.id).err).toContain("that is not stopped: running");
    expect((await ground.state()).status).toBe("running");
    expect(ground.verb("delete", "--force", ground.id)).toEqual(BY_THE_VERB);
    expect(ground.leftovers()).toEqual([]);

    await ground.created("true");
    process.kill((await ground.state()).pid, "SIGKILL");
    await ground.stopped();
    expect(ground.verb("start", ground.id).err).toContain("cannot start a container that has stopped");
    expect(ground.verb("delete", ground.id)).toEqual(PLAIN);
    expect(ground.leftovers()).toEqual([]);
  });

  test("hooks around the start and after the end run", async () => {
    await using ground = new Compiled();
    const said = join(ground.directory, "said");
    writeFileSync(said, "");
    const hook = (word: string) => [{ path: "/bin/sh", args: ["sh", "-c", `echo ${word} >> ${said}`] }];
    const hooks = { poststart: hook("poststart"), poststop: hook("poststop") };
    await ground.created("true", (config) => Object.assign(config, { hooks }));
    expect(ground.verb("start", ground.id)).toEqual(BY_THE_VERB);
    await ground.stopped();
    expect(ground.verb("delete", ground.id)).toEqual(BY_THE_VERB);
    expect(readFileSync(said, "utf8")).toBe("poststart\npoststop\n");
    expect(ground.leftovers()).toEqual([]);
  });

  test("a cgroup below, or a file more in the directory, is the verb's", async () => {
    await using ground = new Compiled();
    const stateOf = () => JSON.parse(readFileSync(join(ground.root, ground.id, "state.json"), "utf8"));
    await ground.created("true");
    expect(ground.verb("start", ground.id)).toEqual(PLAIN);
    await ground.stopped();
    for (const directory of directories(stateOf().cgroup_paths)) mkdirSync(join(directory, "below"));
    expect(ground.verb("delete", ground.id)).toEqual(BY_THE_VERB);
    expect(ground.leftovers()).toEqual([]);

    await ground.created("true");
    expect(ground.verb("start", ground.id)).toEqual(PLAIN);
    await ground.stopped();
    writeFileSync(join(ground.root, ground.id, "state.json.new"), "{");
    expect(ground.verb("delete", ground.id)).toEqual(BY_THE_VERB);
    expect(ground.leftovers()).toEqual([]);
  });

  test("other words, a log that cannot be opened and ids that are paths are the verb's", async () => {
    await using ground = new Compiled();
    await ground.created("sleep 1000");
    const start = (...flags: string[]) => ground.call("--root", ground.root, ...flags, "start", ground.id);
    expect(start("--log", "/nowhere/at/all").err).toContain(
      "open /nowhere/at/all: no such file or directory",
    );
    expect(start("--log-format", "cuneiform").err).toContain("invalid log-format");
    expect(ground.verb("start", ground.id, "more")).toMatchObject({ code: 1, engine: true });
    expect(ground.verb("start", `../state/${ground.id}`).err).toContain("invalid container ID format");
    expect(ground.verb("start", ".").err).toContain("invalid container ID format");
    expect(ground.verb("start", "x".repeat(5000))).toMatchObject({ code: 1, engine: true });
    expect(ground.call("--root", "/".repeat(4000), "start", "x")).toMatchObject({ code: 1, engine: true });
    expect(ground.verb("start")).toMatchObject({ code: 1, engine: true });
    expect((await ground.state()).status).toBe("created");
    expect(start("--debug")).toMatchObject({ code: 0, engine: true });
    expect(existsSync(join(ground.root, ground.id, "start.plain"))).toBe(false);
    expect((await ground.state()).status).toBe("running");
  });
});
