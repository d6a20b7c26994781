// The help tree of the real docker CLI against ours: every command in scope exists here, with its flags, short names and values.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { linkRoles, realDocker } from "../support/binary.ts";
import { run } from "../support/process.ts";

/** Command groups of the real one that are not ours, and why. */
const OUT_OF_SCOPE: Readonly<Record<string, string>> = {
  config: "swarm",
  node: "swarm",
  plugin: "managed engine plugins: the engine has none",
  secret: "swarm",
  service: "swarm",
  stack: "swarm",
  swarm: "swarm",
  trust: "content trust: its servers are retired, later docker CLIs dropped it",
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
  test("every command of the real CLI, and every one of its flags, alike", async () => {
    const [theirs, ours] = await Promise.all([walk(realDocker!), walk(join(linkRoles(), "docker"))]);
    const missing = [...theirs.keys()].filter((path) => !ours.has(path));
    const unlike: string[] = [];
    let flags = 0;
    for (const [path, help] of theirs) {
      for (const [name, shape] of help.flags) {
        flags++;
        const own = ours.get(path)?.flags.get(name);
        if (own !== shape) unlike.push(`docker ${path}: ${shape} here is ${own}`);
      }
    }
    const alike = ((flags - unlike.length) / flags) * 100;
    console.log(
      `${theirs.size - missing.length} of ${theirs.size} commands, ${flags - unlike.length} of ${flags} flags (${alike.toFixed(1)} %)`,
    );
    expect(missing).toEqual([]);
    expect(unlike).toEqual([]);
    expect(theirs.size).toBeGreaterThan(100);
    expect(flags).toBeGreaterThan(500);
  }, 120_000);
});
