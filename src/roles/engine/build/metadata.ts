// Instructions that change only what the image says of itself. Used by builds and by the `changes` of commit and import.
import type { ImageRunConfig } from "../../../spec/engine/image.ts";
import { parseSignal } from "../containers/signals.ts";
import { DockerfileError } from "./dockerfile/error.ts";
import type { CommandLine, Instruction } from "./dockerfile/instructions.ts";
import { joinPath } from "./paths.ts";

const DEFAULT_SHELL = ["/bin/sh", "-c"];

export interface MetadataState {
  config: ImageRunConfig;
  /** CMD was given in this stage: ENTRYPOINT leaves it alone then. */
  cmdSet: boolean;
  maintainer: string;
}

/** The shell of the shell forms. */
export const shellOf = (config: ImageRunConfig): string[] =>
  config.Shell?.length ? [...config.Shell] : [...DEFAULT_SHELL];

/** The command that a CommandLine stands for. */
export function commandWords({ exec, words }: CommandLine, config: ImageRunConfig): string[] {
  return exec ? [...words] : [...shellOf(config), ...words];
}

/** Go's %q of a list of strings, as docker's history shows commands. */
const quoted = (words: readonly string[]): string =>
  `[${words.map((word) => JSON.stringify(word)).join(" ")}]`;

function setEnv(config: ImageRunConfig, pairs: readonly [string, string][]): void {
  const env = [...(config.Env ?? [])];
  for (const [name, value] of pairs) {
    if (name === "") throw new DockerfileError("ENV names can not be blank");
    const entry = `${name}=${value}`;
    const at = env.findIndex((old) => old.split("=", 1)[0] === name);
    if (at < 0) env.push(entry);
    else env[at] = entry;
  }
  config.Env = env;
}

/** "[[ip:]host:]port[-last][/protocol]" → "port/protocol" for each. go-connections nat.ParsePortSpecs */
export function exposedPorts(spec: string): string[] {
  const [range = "", protocol = "tcp", ...more] = spec.split("/");
  if (more.length > 0 || !["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) {
    throw new DockerfileError(`invalid proto: ${[protocol, ...more].join("/")}`);
  }
  const container = range.slice(range.lastIndexOf(":") + 1);
  const match = /^(\d+)(?:-(\d+))?$/.exec(container);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first > 65535 || last > 65535 || last < first) {
    throw new DockerfileError(`invalid containerPort: ${container}`);
  }
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`);
}

const emptySet = (names: Iterable<string>): Record<string, Record<string, never>> =>
  Object.fromEntries([...names].map((name) => [name, {}]));

function seconds(nanoseconds: number | undefined): string {
  return JSON.stringify(nanoseconds ? `${nanoseconds / 1e9}s` : "0s");
}

/**
 * Applies one instruction to the configuration. Returns what the history says of it ("ENV a=b"); undefined when the
 * instruction does more than change metadata. Throws DockerfileError.
 */
export function applyMetadata(state: MetadataState, instruction: Instruction): string | undefined {
  const { config } = state;
  switch (instruction.kind) {
    case "env":
      setEnv(config, instruction.pairs);
      return `ENV ${instruction.pairs.map((pair) => pair.join("=")).join(" ")}`;
    case "label":
      config.Labels = { ...config.Labels, ...Object.fromEntries(instruction.pairs) };
      return `LABEL ${instruction.pairs.map((pair) => pair.join("=")).join(" ")}`;
    case "maintainer":
      state.maintainer = instruction.value;
      return `MAINTAINER ${instruction.value}`;
    case "cmd": {
      const words = commandWords(instruction.command, config);
      config.Cmd = words;
      if (instruction.command.words.length > 0) state.cmdSet = true;
      return `CMD ${quoted(words)}`;
    }
    case "entrypoint": {
      const { command } = instruction;
      // `ENTRYPOINT []` takes the base's away.
      config.Entrypoint = command.words.length === 0 ? null : commandWords(command, config);
      if (!state.cmdSet) config.Cmd = null;
      return `ENTRYPOINT ${quoted(config.Entrypoint ?? [])}`;
    }
    case "expose": {
      const ports = instruction.ports.flatMap(exposedPorts);
      config.ExposedPorts = { ...config.ExposedPorts, ...emptySet(ports) };
      return `EXPOSE ${[...instruction.ports].sort().join(" ")}`;
    }
    case "volume":
      if (instruction.paths.some((path) => path.trim() === "")) {
        throw new DockerfileError("VOLUME specified can not be an empty string");
      }
      config.Volumes = { ...config.Volumes, ...emptySet(instruction.paths) };
      return `VOLUME [${instruction.paths.join(" ")}]`;
    case "healthcheck": {
      const { health } = instruction;
      config.Healthcheck = health;
      const times = [health.Interval, health.Timeout, health.StartPeriod, health.StartInterval];
      const retries = `'\\x${(health.Retries ?? 0).toString(16).padStart(2, "0")}'`;
      return `HEALTHCHECK &{${[quoted(health.Test ?? []), ...times.map(seconds), retries].join(" ")}}`;
    }
    case "onbuild":
      config.OnBuild = [...(config.OnBuild ?? []), instruction.trigger];
      return `ONBUILD ${instruction.trigger}`;
    case "shell":
      config.Shell = instruction.shell;
      return `SHELL [${instruction.shell.join(" ")}]`;
    case "stopsignal":
      checkSignal(instruction.value);
      config.StopSignal = instruction.value;
      return `STOPSIGNAL ${instruction.value}`;
    case "user":
      config.User = instruction.value;
      return `USER ${instruction.value}`;
    case "workdir":
      config.WorkingDir = joinPath(config.WorkingDir || "/", instruction.value);
      return `WORKDIR ${config.WorkingDir}`;
    default:
      return undefined;
  }
}

function checkSignal(text: string): void {
  try {
    parseSignal(text);
  } catch (error) {
    throw new DockerfileError((error as Error).message, { cause: error });
  }
}
