// Help texts: runc's layout, which people and completion scripts know.
import type { FlagTable } from "./flags.ts";
import type { Verb } from "./verbs/verb.ts";
import { runtimeVersion } from "./version-text.ts";

const NAME_OF_CONTAINER =
  'Where "<container-id>" is the name of the container. It must be unique on this host,\nand may hold letters, digits, "_", "+", "-" and ".".';

const BUNDLE =
  'A bundle is a directory with a file "config.json" and a root file system. The program that\nthe container runs is "process.args" of that file; see "runc spec --help".';

/** What a verb does, at more length than its line in the list. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  create: `Creates a container of a bundle: all is set up, and its program waits for "runc start".\n${BUNDLE}`,
  run: `Creates a container of a bundle and starts its program at once.\n${BUNDLE}`,
  start: 'Starts the program of a container that "runc create" made.',
  state: "Prints the container's state as the runtime specification's state document.",
  kill: "Sends a signal to the container's first process:\n\n       # runc kill ubuntu01 KILL\n\nsends SIGKILL. The signal is a name, with or without SIG, or a number; SIGTERM when it is left out.",
  delete:
    "Removes what is left of a stopped container: its state, its cgroups.\n\n       # runc delete ubuntu01",
  exec: "Starts another process in a running container:\n\n       # runc exec <container-id> ps\n\nlists the container's processes. Its environment, user and privileges are those of the\ncontainer's own program, changed by the flags; --process reads all of it from a file.",
  list: 'Lists the containers below the directory of the global flag --root (by default "/run/runc").\n\n       # runc --root value list',
  ps: "Shows the container's processes. Options for ps(1) may follow; -ef is the default.",
  pause: 'Freezes all processes of the container. "runc list" shows which containers are paused.',
  resume: 'Thaws the processes of a paused container. "runc list" shows which containers are paused.',
  events:
    "Prints statistics of the container as JSON, one document a line, every 5 seconds by default,\nand an event for each time that a process of it was killed for want of memory.",
  spec: 'Writes a config.json to start from into the bundle: it runs "sh". To run another program\nedit process.args:\n\n       # runc spec\n       # sed -i \'s;"sh";"/hello";\' config.json\n       # runc run container1\n\nThe specification: https://github.com/opencontainers/runtime-spec\n\nA container that a user without privileges starts needs a user namespace; --rootless writes\na config.json that has one.',
  update:
    'Changes limits of a running container. With --resources they are read from a JSON document, the\n"resources" part of config.json, and all other flags are ignored:\n\n{\n  "memory": { "limit": 0, "reservation": 0, "swap": 0, "checkBeforeUpdate": true },\n  "cpu": { "shares": 0, "quota": 0, "burst": 0, "period": 0, "realtimeRuntime": 0,\n           "realtimePeriod": 0, "cpus": "", "mems": "", "idle": 0 },\n  "blockIO": { "weight": 0 }\n}\n\nWhat is left out stays as it is.',
  checkpoint: "Saves the state of the container's processes with criu(8), and ends them.",
  restore: 'Brings back the processes that "runc checkpoint" saved, in a container of the same bundle.',
  features:
    "Prints as JSON what this runtime can do. Documented in features.md of the runtime specification.",
};

/** The text of `runc VERB --help`. */
export function verbHelp(name: string, verb: Verb): string {
  const options = Object.keys(verb.flags).length > 0;
  const usage = `runc ${name}${options ? " [command options]" : ""} ${verb.usage}`.trimEnd();
  const about = verb.usage.includes("<container-id>") ? `\n\n${NAME_OF_CONTAINER}` : "";
  const description = DESCRIPTIONS[name] ? `\nDESCRIPTION:\n   ${DESCRIPTIONS[name]}\n` : "";
  const flags = options ? `\nOPTIONS:\n${flagHelp(verb.flags)}` : "";
  return `NAME:\n   runc ${name} - ${verb.about}\n\nUSAGE:\n   ${usage}${about}\n${description}${flags}\n`;
}

/** The text of `runc --help`. */
export async function programHelp(
  verbs: Readonly<Record<string, () => Promise<Verb>>>,
  globals: FlagTable,
): Promise<string> {
  const lines: string[] = [];
  for (const [name, load] of Object.entries(verbs))
    lines.push(`   ${name.padEnd(10)}  ${(await load()).about}\n`);
  lines.push("   help, h     Shows a list of commands or help for one command\n");
  const version = runtimeVersion()
    .replace(/^runc version /, "")
    .trimEnd();
  return `NAME:
   runc - Open Container Initiative runtime

runc runs applications packaged according to the Open Container Initiative (OCI) format.
It starts a container of a bundle, a directory with a specification file named "config.json"
and a root file system:

    # runc run [ -b bundle ] <container-id>

Without "-b" the bundle is the current directory. The container is a direct child of whoever
calls runc, so that any supervisor of processes can look after it.

USAGE:
   runc [global options] command [command options] [arguments...]

VERSION:
   ${version}

COMMANDS:
${lines.join("")}
GLOBAL OPTIONS:
${flagHelp(globals)}`;
}

/** The flags' lines of a help text. */
function flagHelp(table: FlagTable): string {
  const left = Object.values(table).map(({ names, kind, value }) => {
    const argument = kind === "boolean" ? "" : ` ${value ?? "value"}`;
    return names.map((name) => `${name.length > 1 ? "--" : "-"}${name}${argument}`).join(", ");
  });
  const width = Math.max(0, ...left.map((one) => one.length));
  return Object.values(table)
    .map(({ about, fallback }, i) => {
      const shown = fallback === undefined ? "" : ` (default: ${JSON.stringify(fallback)})`;
      return `   ${left[i]!.padEnd(width)}  ${about}${shown}\n`;
    })
    .join("");
}
