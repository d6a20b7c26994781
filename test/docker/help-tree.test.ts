// The help tree of the real docker CLI against ours: every command in scope exists here, with its flags, short names and values.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { linkRoles, realDocker } from "../support/binary.ts";
import { run } from "../support/process.ts";

/** Command groups of the real one that are not ours, and why. */
const OUT_OF_SCOPE: Readonly<Record<string, string>> = {
  config: "swarm",
  manifest: "not done: an experiment of the real one (docs/STATUS.md)",
  node: "swarm",
  plugin: "managed engine plugins: the engine has none",
  secret: "swarm",
  service: "swarm",
  stack: "swarm",
  swarm: "swarm",
  trust: "content trust: its servers are retired, later docker CLIs dropped it",
};

/** Flags that are missing here on purpose, and why. */
const MISSING_FLAGS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["run", "create", "container run", "container create"].map((path) => [
      `docker ${path}: --use-api-socket`,
      "an experiment of the real one; -v /var/run/docker.sock:/var/run/docker.sock says it openly",
    ]),
  ),
  "docker images: --tree": "an experiment of the real one",
  "docker image ls: --tree": "an experiment of the real one",
};

interface Help {
  commands: string[];
  /** "-a --all", "--format string" */
  flags: Map<string, string>;
}

/** Takes a help text apart. The value's kind is the word after the name, as far as two blanks are not in between. */
function parseHelp(text: string): Help {
  const commands: string[] = [];
  const flags = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n")) {
    const title = /^([A-Z][A-Za-z ]*):$/.exec(line);
    if (title) section = title[1]!;
    else if (/Commands$/.test(section) && section !== "Swarm Commands") {
      const name = /^ {2}([a-z][\w-]*) +\S/.exec(line)?.[1];
      if (name) commands.push(name);
    } else if (/Options$/.test(section)) {
      const flag = /^ {2}(?:-(\w), | {4})--([\w-]+)(?: (\w+))?(?: {2,}|$)/.exec(line);
      if (flag) flags.set(flag[2]!, `${flag[1] ? `-${flag[1]} ` : ""}--${flag[2]} ${flag[3] ?? ""}`.trim());
    }
  }
  return { commands, flags };
}

async function walk(program: string): Promise<Map<string, Help>> {
  const found = new Map<string, Help>();
  const visit = async (path: string[]): Promise<void> => {
    const { stdout } = await run([program, ...path, "--help"], {
      env: { DOCKER_CONFIG: "/proc/nonexistent" },
    });
    const help = parseHelp(stdout);
    found.set(path.join(" "), help);
    for (const command of help.commands) {
      if (path.length === 0 && OUT_OF_SCOPE[command] !== undefined) continue;
      await visit([...path, command]);
    }
  };
  await visit([]);
  return found;
}

describe.skipIf(!realDocker)("the help tree", () => {
  test("every command of the real CLI, and at least 98 % of its flags, alike", async () => {
    const [theirs, ours] = await Promise.all([walk(realDocker!), walk(join(linkRoles(), "docker"))]);
    const missing = [...theirs.keys()].filter((path) => !ours.has(path));
    const unlike: string[] = [];
    let flags = 0;
    for (const [path, help] of theirs) {
      for (const [name, shape] of help.flags) {
        flags++;
        const own = ours.get(path)?.flags.get(name);
        const known = `docker ${path}: --${name}`;
        if (own !== shape && MISSING_FLAGS[known] === undefined)
          unlike.push(`docker ${path}: ${shape} here is ${own}`);
      }
    }
    expect(missing).toEqual([]);
    // All of them, so that a lost one shows; the reasons stand above.
    expect(unlike).toEqual([]);
    expect(Object.keys(MISSING_FLAGS).length).toBeLessThan(flags * 0.02);
    expect(flags).toBeGreaterThan(500);
  }, 120_000);
});
