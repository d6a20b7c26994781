// What each instruction says, checked but with its variables not yet replaced.
import type { HealthConfig } from "../../../../spec/engine/image.ts";
import { DockerfileError } from "./error.ts";
import { Flags, noFlags } from "./flags.ts";
import { healthcheckOf } from "./healthcheck.ts";
import { parseMount } from "./mount.ts";
import { type Heredoc, type Node, parseDockerfile } from "./parse.ts";
import { jsonList, nameValues, splitWords } from "./split.ts";

/** A command in exec form (a list) or in shell form (one string for the shell). */
export interface CommandLine {
  exec: boolean;
  words: string[];
}

export type Instruction = { node: Node } & (
  | { kind: "from"; base: string; platform: string; name: string }
  | { kind: "arg"; args: { name: string; value?: string }[] }
  | { kind: "env" | "label"; pairs: [name: string, value: string][] }
  | {
      kind: "add" | "copy";
      sources: string[];
      target: string;
      heredocs: Heredoc[];
      from: string;
      chown: string;
      chmod: string;
      checksum: string;
      /** Copied as if onto nothing: no symlink of the image is followed. */
      link: boolean;
      /** Keep the directories that the sources are in. */
      parents: boolean;
      /** Patterns of what is left out. */
      exclude: string[];
      /** ADD: whether archives are unpacked; undefined for local ones only. */
      unpack: boolean | undefined;
      keepGitDir: boolean;
    }
  | {
      kind: "run";
      command: CommandLine;
      heredocs: Heredoc[];
      network: string;
      /** Each --mount as written, its variables not yet replaced. */
      mounts: string[];
    }
  | { kind: "cmd" | "entrypoint"; command: CommandLine }
  | { kind: "expose"; ports: string[] }
  | { kind: "healthcheck"; health: HealthConfig }
  | { kind: "maintainer" | "stopsignal" | "user" | "workdir"; value: string }
  | { kind: "onbuild"; trigger: string }
  | { kind: "shell"; shell: string[] }
  | { kind: "volume"; paths: string[] }
);

export type InstructionOf<K extends Instruction["kind"]> = Extract<Instruction, { kind: K }>;

const need = (condition: boolean, message: string): void => {
  if (!condition) throw new DockerfileError(message);
};

const commandLine = ({ rest }: Node): CommandLine => {
  const list = jsonList(rest);
  if (list) return { exec: true, words: list };
  return { exec: false, words: rest === "" ? [] : [rest] };
};

/** Words, or a JSON list. */
const wordList = ({ rest }: Node, escapeChar: string): string[] =>
  jsonList(rest) ?? splitWords(rest, escapeChar);

function from(node: Node, escapeChar: string): Instruction {
  const words = splitWords(node.rest, escapeChar);
  const platform = new Flags(node, { values: ["platform"] }).get("platform");
  need(
    words.length === 1 || (words.length === 3 && words[1]!.toLowerCase() === "as"),
    "FROM requires either one or three arguments",
  );
  const name = (words[2] ?? "").toLowerCase();
  need(
    name === "" || /^[a-z][a-z0-9-_.]*$/.test(name),
    `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
  );
  return { kind: "from", node, base: words[0]!, platform, name };
}

function arg(node: Node, escapeChar: string): Instruction {
  noFlags(node);
  const words = splitWords(node.rest, escapeChar);
  need(words.length > 0, "ARG requires at least one argument");
  return {
    kind: "arg",
    node,
    args: words.map((word) => {
      const at = word.indexOf("=");
      need(at !== 0, "ARG names can not be blank");
      return at < 0 ? { name: word } : { name: word.slice(0, at), value: word.slice(at + 1) };
    }),
  };
}

function copy(kind: "add" | "copy", node: Node, escapeChar: string): Instruction {
  const keyword = kind.toUpperCase();
  const flags = new Flags(node, {
    values: ["chown", "chmod", kind === "copy" ? "from" : "checksum"],
    switches: kind === "copy" ? ["link", "parents"] : ["link", "keep-git-dir", "unpack"],
    lists: ["exclude"],
  });
  const words = wordList(node, escapeChar);
  need(words.length >= 2, `${keyword} requires at least two arguments`);
  const target = words.pop()!;
  const isHeredoc = (word: string): boolean => node.heredocs.length > 0 && /^\d*<<-?/.test(word);
  need(
    node.heredocs.length === 0 || !isHeredoc(target),
    `${keyword} cannot accept a heredoc as a destination`,
  );
  return {
    kind,
    node,
    sources: words.filter((word) => !isHeredoc(word)),
    target,
    heredocs: node.heredocs,
    from: flags.get("from"),
    chown: flags.get("chown"),
    chmod: flags.get("chmod"),
    checksum: flags.get("checksum"),
    link: flags.has("link"),
    parents: flags.has("parents"),
    exclude: flags.all("exclude"),
    unpack: unpackOf(node),
    keepGitDir: flags.has("keep-git-dir"),
  };
}

/** --unpack, --unpack=false, or neither. */
function unpackOf({ flags }: Node): boolean | undefined {
  const flag = flags.find((one) => /^--unpack(=|$)/.test(one));
  return flag === undefined ? undefined : flag !== "--unpack=false";
}

function run(node: Node): Instruction {
  const flags = new Flags(node, { values: ["network", "security"], lists: ["mount"] });
  const network = flags.get("network") || "default";
  need(
    ["", "sandbox"].includes(flags.get("security")),
    `--security=${flags.get("security")} is not allowed: steps run as containers do`,
  );
  need(
    ["default", "none", "host"].includes(network),
    `invalid network mode: ${JSON.stringify(network)} (RUN takes default, none or host)`,
  );
  const mounts = flags.all("mount");
  for (const mount of mounts) parseMount(mount);
  return { kind: "run", node, command: commandLine(node), heredocs: node.heredocs, network, mounts };
}

function onbuild(node: Node): Instruction {
  noFlags(node);
  need(node.rest !== "", "ONBUILD requires at least one argument");
  const keyword = /^\S+/.exec(node.rest)![0].toUpperCase();
  need(keyword !== "ONBUILD", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  need(keyword !== "MAINTAINER" && keyword !== "FROM", `${keyword} isn't allowed as an ONBUILD trigger`);
  const lines = node.heredocs.map(({ name, content }) => `\n${content}${name}`);
  return { kind: "onbuild", node, trigger: node.rest + lines.join("") };
}

function one(kind: "maintainer" | "stopsignal" | "user" | "workdir", node: Node): Instruction {
  noFlags(node);
  const keyword = kind.toUpperCase();
  need(node.rest !== "", `${keyword} requires exactly one argument`);
  return { kind, node, value: node.rest };
}

function shell(node: Node): Instruction {
  noFlags(node);
  const list = jsonList(node.rest);
  need(list !== undefined, "SHELL requires the arguments to be in JSON form");
  need(list!.length > 0, "SHELL requires at least one argument");
  return { kind: "shell", node, shell: list! };
}

function some(kind: "expose" | "volume", node: Node, escapeChar: string): Instruction {
  noFlags(node);
  const words = kind === "volume" ? wordList(node, escapeChar) : splitWords(node.rest, escapeChar);
  need(words.length > 0, `${kind.toUpperCase()} requires at least one argument`);
  if (kind === "expose") return { kind, node, ports: words };
  need(
    words.every((path) => path.trim() !== ""),
    "VOLUME specified can not be an empty string",
  );
  return { kind, node, paths: words };
}

/** Throws DockerfileError. */
export function instructionOf(node: Node, escapeChar: string): Instruction {
  const { keyword } = node;
  switch (keyword) {
    case "from":
      return from(node, escapeChar);
    case "arg":
      return arg(node, escapeChar);
    case "env":
    case "label":
      noFlags(node);
      return { kind: keyword, node, pairs: nameValues(node.rest, keyword.toUpperCase(), escapeChar) };
    case "add":
    case "copy":
      return copy(keyword, node, escapeChar);
    case "run":
      return run(node);
    case "cmd":
    case "entrypoint":
      noFlags(node);
      return { kind: keyword, node, command: commandLine(node) };
    case "healthcheck":
      return { kind: "healthcheck", node, health: healthcheckOf(node) };
    case "maintainer":
    case "stopsignal":
    case "user":
    case "workdir":
      return one(keyword, node);
    case "onbuild":
      return onbuild(node);
    case "shell":
      return shell(node);
    case "expose":
    case "volume":
      return some(keyword, node, escapeChar);
    default:
      throw new DockerfileError(`unknown instruction: ${node.original.split(/\s/, 1)[0]!.toUpperCase()}`);
  }
}

/** One instruction from its text: an ONBUILD trigger, or a `--change` of commit and import. Throws DockerfileError. */
export function parseInstruction(text: string): Instruction {
  const { nodes, escapeChar } = parseDockerfile(text);
  if (nodes.length !== 1) throw new DockerfileError("expected one instruction");
  return instructionOf(nodes[0]!, escapeChar);
}
