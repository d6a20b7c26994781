// `containerd`: the role as a daemon of its own, in the foreground until SIGTERM or SIGINT.
import { existsSync } from "node:fs";
import { dropPages } from "../../../ffi/give-back.ts";
import { configureLog, type Level, log } from "../../observe/log.ts";
import { commit, version } from "../../version.ts";
import { type Config, configText, DEFAULT_PATH, defaults, readConfig } from "./config/file.ts";
import { type Flags, parseFlags, usage } from "./flags.ts";
import { openContainerd } from "./services.ts";

const LEVELS: Readonly<Record<string, Level>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warning",
  warning: "warning",
  error: "error",
  fatal: "fatal",
  panic: "fatal",
};

function configuration(flags: Flags): { config: Config; warnings: string[] } {
  const path = flags.config ?? DEFAULT_PATH;
  // Only the default file may be missing.
  const file =
    flags.config === undefined && !existsSync(path) ? { config: {}, warnings: [] } : readConfig(path);
  const config: Config = {
    ...defaults,
    ...file.config,
    ...(flags.root === undefined ? {} : { root: flags.root }),
    ...(flags.state === undefined ? {} : { state: flags.state }),
    ...(flags.address === undefined ? {} : { address: flags.address }),
    ...(flags.logLevel === undefined ? {} : { logLevel: flags.logLevel }),
  };
  if (!LEVELS[config.logLevel])
    throw new Error(`not a valid logrus Level: ${JSON.stringify(config.logLevel)}`);
  if (config.root === config.state) throw new Error("root and state must be different paths");
  for (const [name, path] of Object.entries({ root: config.root, state: config.state })) {
    if (!path.startsWith("/")) throw new Error(`${name} must be an absolute path: ${path}`);
  }
  return { config, warnings: file.warnings };
}

function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}

async function daemon(flags: Flags): Promise<number> {
  const { config, warnings } = configuration(flags);
  configureLog({ level: LEVELS[config.logLevel]!, format: config.logFormat });
  // A reader of the log that goes away must not take the daemon along.
  process.on("SIGPIPE", () => {});
  const ended = signalled();
  const begun = performance.now();
  log("info", "starting containerd", { version: `${version}+bunker`, revision: commit });
  for (const setting of warnings) log("warning", "this setting has no effect here", { setting });
  const { root, state, address } = config;
  const containerd = await openContainerd({ root, state, address, hostsDir: config.hostsDir });
  try {
    await containerd.serve(address);
    log("info", "serving...", { address });
    log("info", "containerd successfully booted", {
      seconds: ((performance.now() - begun) / 1000).toFixed(6),
    });
    // What only the start needed: most of the pages, and at once, for the first pull may come in the next moment.
    dropPages();
    const signal = await ended;
    log("info", "stopping", { signal });
  } finally {
    await containerd.close();
  }
  // Whatever still waits for a shim that does not answer must not keep us.
  process.exit(0);
}

async function publish(flags: Flags): Promise<number> {
  const { fromBinary } = await import("@bufbuild/protobuf");
  const { AnySchema } = await import("@bufbuild/protobuf/wkt");
  const { connect } = await import("../../wire/containerd/client/connect.ts");
  if (!flags.topic) throw new Error("topic required to publish event");
  if (!flags.namespace) throw new Error("namespace required to publish event");
  const { typeUrl, value } = fromBinary(AnySchema, await Bun.stdin.bytes());
  const client = await connect(flags.address ?? defaults.address);
  try {
    await client.services.events.publish(flags.namespace, flags.topic, { typeUrl, value });
  } finally {
    await client.close();
  }
  return 0;
}

async function run(flags: Flags): Promise<number> {
  const [command, sub] = flags.command;
  if (flags.version) {
    // containerd's line: program, package, version, revision.
    process.stdout.write(`containerd bunker ${version} ${commit}\n`);
    return 0;
  }
  if (flags.help || command === "help" || command === "h") {
    process.stdout.write(usage);
    return 0;
  }
  if (command === undefined) return daemon(flags);
  if (command === "publish") return publish(flags);
  if (command === "config" && sub === "default") {
    process.stdout.write(configText());
    return 0;
  }
  if (command === "config" && sub === "dump") {
    process.stdout.write(configText(configuration(flags).config));
    return 0;
  }
  throw new Error(`unknown command ${JSON.stringify(flags.command.join(" "))}; try containerd --help`);
}

/** `containerd …` */
export async function main(args: string[], _calledAs: string): Promise<number> {
  try {
    return await run(parseFlags(args));
  } catch (error) {
    process.stderr.write(`containerd: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
