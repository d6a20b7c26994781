// dockerd's command line with pflag's grammar (--flag value, --flag=value, -f value, -fvalue, -Df value): yargs cannot tell
// `-Hunix:///x` or `--pidfile=` apart from mistakes, and its words for an error are not the ones that people search for.
import { type Directive, directives } from "./directives.ts";
import { ConfigError, fromFlag, LIST_CHECKS } from "./values.ts";

type Flag = Directive & { flag: string };

const flags = directives.filter((directive): directive is Flag => directive.flag !== undefined);
const byFlag = new Map(flags.map((directive) => [directive.flag, directive]));
const byShort = new Map(flags.filter((directive) => directive.short).map((d) => [d.short!, d]));

const usage = (message: string): ConfigError => new ConfigError(`${message}\nSee 'dockerd --help'.`);

/** Values by daemon.json key, for the flags that were given. Throws ConfigError. */
export function parseFlags(args: readonly string[]): Map<string, unknown> {
  const given = new Map<Flag, string[]>();
  const queue = [...args];
  const add = (flag: Flag, value: string): void => {
    given.set(flag, [...(given.get(flag) ?? []), value]);
  };
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    if (arg === "--") {
      if (queue.length > 0) throw usage('"dockerd" accepts no arguments.');
    } else if (arg.startsWith("--")) long(arg, queue, add);
    else if (arg.startsWith("-") && arg.length > 1) short(arg, queue, add);
    else throw usage('"dockerd" accepts no arguments.');
  }
  return new Map([...given].map(([flag, values]) => [flag.key, checked(flag, values)]));
}

// pflag names the value and the flag with what is wrong.
function checked({ key, type, flag }: Flag, values: string[]): unknown {
  for (const value of values) {
    try {
      LIST_CHECKS[key]?.(value);
      if (type === "ulimits") fromFlag(type, [value], flag);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw usage(`invalid argument "${value}" for "--${flag}" flag: ${error.message}`);
    }
  }
  return fromFlag(type, values, flag);
}

function long(arg: string, queue: string[], add: (flag: Flag, value: string) => void): void {
  const at = arg.indexOf("=");
  const name = at < 0 ? arg.slice(2) : arg.slice(2, at);
  const flag = byFlag.get(name);
  if (!flag) throw usage(`unknown flag: --${name}`);
  if (at >= 0) add(flag, arg.slice(at + 1));
  else if (flag.type === "bool") add(flag, "true");
  else {
    const value = queue.shift();
    if (value === undefined) throw usage(`flag needs an argument: --${name}`);
    add(flag, value);
  }
}

function short(arg: string, queue: string[], add: (flag: Flag, value: string) => void): void {
  for (let at = 1; at < arg.length; at++) {
    const letter = arg[at]!;
    const flag = byShort.get(letter);
    if (!flag) throw usage(`unknown shorthand flag: '${letter}' in ${arg}`);
    const rest = arg.slice(at + 1);
    if (rest.startsWith("=")) {
      add(flag, rest.slice(1));
      return;
    }
    if (flag.type === "bool") {
      add(flag, "true");
      continue;
    }
    const value = rest === "" ? queue.shift() : rest;
    if (value === undefined) throw usage(`flag needs an argument: '${letter}' in ${arg}`);
    add(flag, value);
    return;
  }
}

/** The text of `dockerd --help`. */
export function helpText(): string {
  const rows = flags.map((directive): [string, string] => {
    const type = { bool: "", int: " int", string: " string" }[directive.type as string] ?? " list";
    const letter = directive.short ? `-${directive.short}, ` : "    ";
    return [`  ${letter}--${directive.flag}${type}`, directive.help];
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 3;
  return [
    "",
    "Usage:  dockerd [OPTIONS]",
    "",
    "A self-sufficient runtime for containers.",
    "",
    "Options:",
    ...rows.map(([left, right]) => `${left.padEnd(width)}${right}`),
    "",
  ].join("\n");
}
