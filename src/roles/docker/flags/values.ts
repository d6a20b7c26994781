// Flag values as the Go programs read them, with their error words: people and scripts match those.

/** strconv.ParseBool. */
export function parseBool(text: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function integer(text: string, call: string, low: number, high: number): number {
  const quoted = JSON.stringify(text);
  const match = /^([+-]?)(0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+|0[0-7]*|[1-9][0-9]*)$/i.exec(text);
  if (!match || (low === 0 && match[1] !== "")) throw new Error(`${call}: parsing ${quoted}: invalid syntax`);
  const digits = match[2]!;
  const magnitude = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  const value = match[1] === "-" ? -magnitude : magnitude;
  if (value < low || value > high) throw new Error(`${call}: parsing ${quoted}: value out of range`);
  return value;
}

/** strconv.ParseInt(text, 0, 64). Beyond 2^53 the nearest double is what is sent. */
export function parseInt64(text: string): number {
  return integer(text, "strconv.ParseInt", -(2 ** 63), 2 ** 63 - 1);
}

/** strconv.ParseUint(text, 0, bits). */
export function parseUint(text: string, bits: 16 | 64): number {
  return integer(text, "strconv.ParseUint", 0, 2 ** bits - 1);
}

const BINARY = ["", "k", "m", "g", "t", "p", "e"] as const;

/** go-units RAMInBytes: "64m", "1.5GiB", "1024" → bytes. */
export function parseBytes(text: string): number {
  const match = /^(-?\d+(?:\.\d+)?|\d*\.\d+) ?([kmgtpe]?)(?:i?b)?$/i.exec(text);
  if (!match || text.endsWith(" ")) {
    const suffix = /^(?:\d+(?:\.\d+)?|\d*\.\d+) ?([^\d. ]+)$/.exec(text)?.[1];
    if (suffix === undefined) throw new Error(`invalid size: '${text}'`);
    throw new Error(`invalid suffix: '${suffix.length > 3 ? suffix : suffix.toLowerCase()}'`);
  }
  const size = Number(match[1]);
  if (size < 0) throw new Error(`invalid size: '${text}'`);
  return Math.trunc(size * 1024 ** BINARY.indexOf(match[2]!.toLowerCase() as (typeof BINARY)[number]));
}

/** As parseBytes, but "-1" stands for unlimited (--memory-swap). */
export function parseSwapBytes(text: string): number {
  return text === "-1" ? -1 : parseBytes(text);
}

const UNIT: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** time.ParseDuration, in nanoseconds. */
export function parseDuration(text: string): number {
  const invalid = () => new Error(`time: invalid duration ${JSON.stringify(text)}`);
  const sign = /^[+-]/.test(text) ? text[0] : "";
  let rest = sign ? text.slice(1) : text;
  if (rest === "0") return 0;
  if (rest === "") throw invalid();
  let total = 0;
  while (rest !== "") {
    const number = /^(\d+\.?\d*|\.\d+)/.exec(rest);
    if (!number) throw invalid();
    rest = rest.slice(number[0].length);
    const unit = /^[^\d.]+/.exec(rest)?.[0];
    if (unit === undefined) throw new Error(`time: missing unit in duration ${JSON.stringify(text)}`);
    const size = UNIT[unit];
    if (size === undefined) {
      throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    total += Number(number[0]) * size;
    rest = rest.slice(unit.length);
  }
  return Math.round(sign === "-" ? -total : total);
}

/** --cpus: a decimal number of CPUs → nano CPUs. */
export function parseCpus(text: string): number {
  const rational = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\/(\d+))?$/.exec(text);
  if (!rational) throw new Error(`failed to parse ${text} as a rational number`);
  const nano = (Number(rational[1]) / Number(rational[2] ?? 1)) * 1e9;
  const whole = Math.round(nano);
  if (Math.abs(nano - whole) > 1e-3) throw new Error("value is too precise");
  return whole;
}
