// The `runc` role: global flags, then a verb. The verbs of a container's life are imported at once: they share nearly all
// of their modules, and every further chunk of the bundle costs 0.3 ms. The others come one by one.

import { print } from "../../../ffi/output.ts";
import { part } from "../../launcher/parting.ts";
import { compiled } from "../../self.ts";
import { StateStore } from "./container/state.ts";
import { RuntimeError } from "./errors.ts";
import { type FlagTable, flag, parseFlags, text, UsageError } from "./flags.ts";
import { configureLog, fatal } from "./log.ts";
import { create } from "./verbs/create.ts";
import { remove } from "./verbs/delete.ts";
import { kill } from "./verbs/kill.ts";
import { run } from "./verbs/run.ts";
import { start } from "./verbs/start.ts";
import { state } from "./verbs/state.ts";
import type { Verb } from "./verbs/verb.ts";

const globals = {
  debug: { names: ["debug"], kind: "boolean", about: "enable debug logging" },
  log: {
    names: ["log"],
    kind: "text",
    about: "set the log file to write runc logs to (default is '/dev/stderr')",
  },
  logFormat: {
    names: ["log-format"],
    kind: "text",
    about: "set the log format ('text' (default), or 'json')",
    fallback: "text",
  },
  root: {
    names: ["root"],
    kind: "text",
    about: "root directory for storage of container state (this should be located in tmpfs)",
    fallback: "/run/runc",
  },
  criu: {
    names: ["criu"],
    kind: "text",
    about: "path to the criu binary used for checkpoint and restore",
    fallback: "criu",
  },
  systemdCgroup: {
    names: ["systemd-cgroup"],
    kind: "boolean",
    about:
      'enable systemd cgroup support, expects cgroupsPath to be of form "slice:prefix:name" for e.g. "system.slice:runc:434234"',
  },
  rootless: {
    names: ["rootless"],
    kind: "text",
    about: "ignore cgroup permission errors ('true', 'false', or 'auto')",
    fallback: "auto",
  },
  help: { names: ["help", "h"], kind: "boolean", about: "show help" },
  version: { names: ["version", "v"], kind: "boolean", about: "print the version" },
} as const satisfies FlagTable;

const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  checkpoint: async () => (await import("./verbs/checkpoint.ts")).checkpoint,
  create: async () => create,
  delete: async () => remove,
  events: async () => (await import("./verbs/events.ts")).events,
  exec: async () => (await import("./verbs/exec.ts")).exec,
  features: async () => (await import("./verbs/features.ts")).features,
  kill: async () => kill,
  list: async () => (await import("./verbs/list.ts")).list,
  pause: async () => (await import("./verbs/pause.ts")).pause,
  ps: async () => (await import("./verbs/ps.ts")).ps,
  restore: async () => (await import("./verbs/restore.ts")).restore,
  resume: async () => (await import("./verbs/pause.ts")).resume,
  run: async () => run,
  spec: async () => (await import("./verbs/spec.ts")).spec,
  start: async () => start,
  state: async () => state,
  update: async () => (await import("./verbs/update.ts")).update,
};

/** Runs one command line; resolves to the exit code (the compiled program ends here). */
export async function main(args: string[]): Promise<number> {
  const code = await outcome(args);
  // All output was written by plain writes: nothing is left that the engine's own wind-down (1–2 ms) would do.
  if (compiled) part(code);
  return code;
}

async function outcome(args: string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    fatal((error as Error).message || String(error));
    return error instanceof RuntimeError ? error.exitCode : 1;
  }
}

async function dispatch(args: string[]): Promise<number> {
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(globals, args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(`Incorrect Usage. ${error.message}\n\n${await (await help()).programHelp(verbs, globals)}`);
    throw error;
  }
  configureLog({
    file: text(parsed, "log"),
    format: text(parsed, "logFormat") ?? "text",
    debug: flag(parsed, "debug"),
  });
  if (flag(parsed, "version")) {
    const { runtimeVersion } = await import("./version-text.ts");
    print(runtimeVersion());
    return 0;
  }
  const [name, ...rest] = parsed.rest;
  if (name === undefined || name === "help" || name === "h" || flag(parsed, "help")) {
    const topic = name === "help" || name === "h" ? rest[0] : undefined;
    const load = topic !== undefined && Object.hasOwn(verbs, topic) ? verbs[topic] : undefined;
    const { programHelp, verbHelp } = await help();
    print(load ? verbHelp(topic!, await load()) : await programHelp(verbs, globals));
    return 0;
  }
  const format = text(parsed, "logFormat");
  if (format !== undefined && format !== "text" && format !== "json")
    throw new Error(`invalid log-format: ${format}`);
  const load = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (!load) {
    fatal(`No help topic for '${name}'`);
    return 3;
  }
  const verb = await load();
  const invocation = {
    parsed: await verbFlags(name, verb, rest),
    store: new StateStore(text(parsed, "root") ?? defaultRoot()),
    debug: flag(parsed, "debug"),
    rootless: rootless(text(parsed, "rootless") ?? "auto"),
    criu: text(parsed, "criu") || "criu",
    systemd: flag(parsed, "systemdCgroup"),
  };
  if (flag(invocation.parsed, "help")) {
    print((await help()).verbHelp(name, verb));
    return 0;
  }
  const { min, max } = verb.arguments;
  const given = invocation.parsed.rest.length;
  if (given < min || given > max) {
    print(`Incorrect Usage.\n\n${(await help()).verbHelp(name, verb)}`);
    const count =
      min === max
        ? `exactly ${min} argument(s)`
        : given < min
          ? `a minimum of ${min} arguments`
          : `a maximum of ${max} arguments`;
    throw new Error(`runc: ${JSON.stringify(name)} requires ${count}`);
  }
  return verb.run(invocation);
}

async function verbFlags(name: string, verb: Verb, args: string[]) {
  try {
    return parseFlags({ ...verb.flags, help: globals.help }, args);
  } catch (error) {
    if (error instanceof UsageError)
      print(`Incorrect Usage: ${error.message}\n\n${(await help()).verbHelp(name, verb)}`);
    throw error;
  }
}

/** Only those who ask for help pay for its texts. */
const help = () => import("./help.ts");

/** Throws in Go's words on what is neither a boolean nor "auto". */
function rootless(word: string): boolean | undefined {
  if (word === "auto") return undefined;
  if (/^(1|t|true)$/i.test(word)) return true;
  if (/^(0|f|false)$/i.test(word)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(word)}: invalid syntax`);
}

function defaultRoot(): string {
  const runtimeDirectory = process.env["XDG_RUNTIME_DIR"];
  return process.geteuid?.() !== 0 && runtimeDirectory ? `${runtimeDirectory}/runc` : "/run/runc";
}
