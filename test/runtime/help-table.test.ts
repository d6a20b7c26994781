// Every command and flag of the real runc, with its short names, its value, its default and its line of help, in ours.
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { must } from "../support/process.ts";

const RUNC = "/usr/sbin/runc";
const why = existsSync(RUNC) ? "" : `${RUNC} is not installed`;
const main = join(import.meta.dir, "..", "..", "src", "main.ts");
const bun = join(import.meta.dir, "..", "..", "node_modules", ".bin", "bun");

const COMMANDS = [
  ...["checkpoint", "create", "delete", "events", "exec", "kill", "list", "pause", "ps", "restore", "resume"],
  ...["run", "spec", "start", "state", "update", "features"],
];

/** Where ours says something else, and means to. */
const DIFFERENT: Readonly<Record<string, string>> = {
  "--systemd-cgroup": "it is refused: there is no systemd driver yet",
};

interface Flag {
  flag: string;
  about: string;
}

/** The flags of a help text in urfave/cli's layout: "   --name value, -n value  about (default: x)". */
function flagsOf(help: string): Flag[] {
  return help
    .split("\n")
    .map((line) => /^ {3}(-\S.*?) {2,}(.*\S)/.exec(line))
    .filter((match) => match !== null)
    .map((match) => ({ flag: match[1]!, about: match[2]! }));
}

const theirs = (...args: string[]) => must([RUNC, ...args]);
const ours = (...args: string[]) => must([bun, main, "runc", ...args]);

describe.skipIf(why !== "")(`help like runc's${why && ` (skipped: ${why})`}`, () => {
  test.each(["", ...COMMANDS])("runc %s --help", async (command) => {
    const words = command === "" ? [] : [command];
    const [real, own] = await Promise.all([theirs(...words, "--help"), ours(...words, "--help")]);
    const known = new Map(flagsOf(own).map(({ flag, about }) => [flag, about]));
    const wanted = flagsOf(real);
    if (!["features", "kill", "pause", "resume", "start", "state"].includes(command))
      expect(wanted.length).toBeGreaterThan(0);
    for (const { flag, about } of wanted) {
      const said = known.get(flag);
      if (DIFFERENT[flag]) expect(said).toBeDefined();
      else expect({ flag, about: said }).toEqual({ flag, about });
    }
    // "NAME:\n   runc run - create and run a container"
    if (command !== "") expect(own.split("\n")[1]).toBe(real.split("\n")[1]!);
  });

  test("the list of commands", async () => {
    const list = (help: string) =>
      help
        .slice(help.indexOf("COMMANDS:"), help.indexOf("GLOBAL OPTIONS:"))
        .split("\n")
        .slice(1)
        .map((line) => line.trim())
        .filter(Boolean);
    const own = list(await ours("--help"));
    for (const line of list(await theirs("--help"))) expect(own).toContain(line);
  });
});
