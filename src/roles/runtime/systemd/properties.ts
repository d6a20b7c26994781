// `resources` as properties of a unit, so that systemd knows the limits too and does not take them back at a reload.
// org.freedesktop.systemd1(5), systemd.resource-control(5)
import { readTextIfThere } from "../../../../ffi/path.ts";
import type { DeviceRule, Resources } from "../../../spec/oci/runtime.ts";
import { type Value, Variant } from "../../../wire/dbus/marshal.ts";
import { effectiveRules } from "../cgroup/device-rules.ts";
import { weightOfShares } from "../cgroup/v2.ts";
import { idMask } from "../launch/id-list.ts";

export type Property = readonly [name: string, value: Variant];

const INFINITY = 0xffffffffffffffffn;
const bytes = (value: number) => new Variant("t", value < 0 ? INFINITY : BigInt(value));

/** The properties of a unit's limits; `v2`: on a host with the unified hierarchy alone. */
export function resourceProperties(resources: Resources, v2: boolean): Property[] {
  const out: Property[] = [];
  const { memory, cpu, pids, blockIO } = resources;
  if (memory?.limit) out.push([v2 ? "MemoryMax" : "MemoryLimit", bytes(memory.limit)]);
  if (v2 && memory?.reservation) out.push(["MemoryLow", bytes(memory.reservation)]);
  if (v2 && memory?.swap) {
    const swap = memory.swap < 0 ? -1 : memory.swap - (memory.limit ?? 0);
    out.push(["MemorySwapMax", bytes(swap)]);
  }
  if (cpu?.shares)
    out.push(
      v2
        ? ["CPUWeight", new Variant("t", BigInt(weightOfShares(cpu.shares)))]
        : ["CPUShares", new Variant("t", BigInt(cpu.shares))],
    );
  if (cpu?.quota || cpu?.period) out.push(...quota(cpu.quota ?? 0, cpu.period ?? 0));
  if (cpu?.cpus) out.push(["AllowedCPUs", mask(cpu.cpus, "linux.resources.cpu.cpus")]);
  if (cpu?.mems) out.push(["AllowedMemoryNodes", mask(cpu.mems, "linux.resources.cpu.mems")]);
  if (pids?.limit) out.push(["TasksMax", bytes(pids.limit)]);
  if (!v2 && blockIO?.weight) out.push(["BlockIOWeight", new Variant("t", BigInt(blockIO.weight))]);
  return out;
}

/** The share of one processor's second, in whole hundredths as systemd keeps it; 0: no limit. */
function quota(quotaMicroseconds: number, period: number): Property[] {
  const length = period || 100_000;
  const share =
    quotaMicroseconds > 0
      ? BigInt(Math.ceil((quotaMicroseconds * 1_000_000) / length / 10_000) * 10_000)
      : INFINITY;
  return [
    ["CPUQuotaPerSecUSec", new Variant("t", share)],
    ...(period ? [["CPUQuotaPeriodUSec", new Variant("t", BigInt(period))] as const] : []),
  ];
}

/** A list of numbers as the bits that systemd takes: only as many bytes as are needed. */
function mask(list: string, field: string): Variant {
  const bits = [...idMask(list, field)];
  while (bits.length > 1 && bits.at(-1) === 0) bits.pop();
  return new Variant("ay", bits);
}

/** Device access. Rules that systemd has no words for are left to the container's own rules, which hold besides. */
export function deviceProperties(rules: readonly DeviceRule[]): Property[] {
  if (rules.length === 0) return [];
  const { allowAll, rules: effective } = effectiveRules(rules);
  if (allowAll) return [["DevicePolicy", new Variant("s", "auto")]];
  const allowed = effective.flatMap((rule): Value[] => {
    if (!rule.allow || (rule.type !== "c" && rule.type !== "b")) return [];
    const kind = rule.type === "c" ? "char" : "block";
    const access = rule.access || "rwm";
    if (rule.major === undefined || rule.major < 0) return [[`${kind}-*`, access]];
    if (rule.minor !== undefined && rule.minor >= 0)
      return [[`/dev/${kind}/${rule.major}:${rule.minor}`, access]];
    const name = driver(kind, rule.major);
    return name ? [[`${kind}-${name}`, access]] : [];
  });
  return [
    ["DevicePolicy", new Variant("s", "strict")],
    ["DeviceAllow", new Variant("a(ss)", allowed)],
  ];
}

/** The name of a major number in /proc/devices. man 5 proc */
function driver(kind: "char" | "block", major: number): string | undefined {
  const [characters, blocks] = (readTextIfThere("/proc/devices") ?? "").split("Block devices:");
  return new RegExp(`^ *${major} (.+)$`, "m").exec((kind === "char" ? characters : blocks) ?? "")?.[1];
}

const PREFIX = "org.systemd.property.";

/**
 * Annotations "org.systemd.property.NAME": values as GVariant text. Understood are booleans, strings, numbers (with a type
 * word or without) and arrays of strings; a name that ends in Sec becomes the microseconds that the bus has.
 */
export function annotatedProperties(annotations: Readonly<Record<string, string>> = {}): Property[] {
  return Object.entries(annotations)
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, text]) => {
      const property = name.slice(PREFIX.length);
      if (!/^[A-Za-z]{3,}$/.test(property))
        throw new Error(`annotation ${name}: invalid systemd property name: must be 3 letters or more`);
      const value = parse(text, name);
      if (!/[a-z]Sec$/.test(property)) return [property, value] as const;
      return [property.replace(/Sec$/, "USec"), microseconds(value, name)] as const;
    });
}

const TYPE_WORD: Readonly<Record<string, string>> = {
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  uint32: "u",
  int64: "x",
  uint64: "t",
  double: "d",
};

function parse(text: string, name: string): Variant {
  const quoted = /^(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")$/.exec(text);
  if (quoted) return new Variant("s", (quoted[1] ?? quoted[2]!).replace(/\\(.)/g, "$1"));
  if (text === "true" || text === "false") return new Variant("b", text === "true");
  const number = /^(?:(byte|u?int(?:16|32|64)|double|@[ynqiuxtd]) )?([+-]?[\d.]+)$/.exec(text);
  if (number) {
    const word = number[1] ?? (number[2]!.includes(".") ? "double" : "int32");
    const type = word.startsWith("@") ? word.slice(1) : TYPE_WORD[word]!;
    return new Variant(type, "xt".includes(type) ? BigInt(number[2]!) : Number(number[2]));
  }
  const list = /^\[(.*)\]$/.exec(text);
  if (list) {
    const items = (list[1]!.match(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g) ?? []).map(
      (one) => parse(one, name).value,
    );
    return new Variant("as", items);
  }
  throw new Error(`annotation ${name}: value parse error: ${JSON.stringify(text)} is not understood`);
}

function microseconds({ value }: Variant, name: string): Variant {
  if (typeof value !== "number" && typeof value !== "bigint")
    throw new Error(`annotation ${name}: a number of seconds is expected`);
  return new Variant("t", BigInt(Math.round(Number(value) * 1_000_000)));
}
