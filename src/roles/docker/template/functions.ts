// The functions that templates may call: text/template's own and docker's.
import { TemplateError } from "./ast.ts";
import { isMap, print, toJson, truth, type Value } from "./value.ts";

export type TemplateFunction = (...args: Value[]) => Value;

const text = (value: Value): string => (typeof value === "string" ? value : print(value));

function index(value: Value, ...keys: Value[]): Value {
  let current = value;
  for (const key of keys) {
    if (Array.isArray(current) || typeof current === "string") {
      const at = Number(key);
      if (typeof key !== "number" && typeof key !== "bigint") {
        throw new TemplateError(`cannot index slice/array with type ${typeof key}`);
      }
      if (at < 0 || at >= current.length) {
        throw new TemplateError(`error calling index: index out of range: ${at}`);
      }
      current = Array.isArray(current) ? current[at] : current.charCodeAt(at);
    } else if (isMap(current)) {
      // A missing key is the zero value, which prints as nothing.
      current = Object.hasOwn(current, text(key)) ? current[text(key)] : "";
    } else if (current === null || current === undefined) {
      throw new TemplateError("error calling index: index of untyped nil");
    } else throw new TemplateError(`error calling index: can't index item of type ${typeof current}`);
  }
  return current;
}

function slice(value: Value, from: Value = 0, to?: Value): Value {
  if (typeof value !== "string" && !Array.isArray(value)) {
    throw new TemplateError(`error calling slice: can't slice item of type ${typeof value}`);
  }
  const end = to === undefined ? value.length : Number(to);
  if (Number(from) < 0 || end > value.length || Number(from) > end) {
    throw new TemplateError(`error calling slice: index out of range: ${end}`);
  }
  return value.slice(Number(from), end);
}

function length(value: Value): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw new TemplateError(`error calling len: len of type ${typeof value}`);
}

function compare(a: Value, b: Value): number {
  if ((typeof a === "number" || typeof a === "bigint") && (typeof b === "number" || typeof b === "bigint")) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  throw new TemplateError("error calling lt: incompatible types for comparison");
}

function equal(a: Value, b: Value): boolean {
  if (a === b || (a ?? null) === (b ?? null)) return true;
  if (typeof a === typeof b) return false;
  if ((typeof a === "number" || typeof a === "bigint") && (typeof b === "number" || typeof b === "bigint")) {
    // biome-ignore lint/suspicious/noDoubleEquals: a bigint and a number of the same value are the same to Go.
    return a == b;
  }
  if (a === null || b === null || a === undefined || b === undefined) return false;
  throw new TemplateError("error calling eq: incompatible types for comparison");
}

/** fmt.Sprintf, for the verbs that make sense here. */
function printf(format: Value, ...args: Value[]): string {
  let next = 0;
  const result = text(format).replace(
    /%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (whole, flags, width, precision, verb) => {
      if (verb === "%") return "%";
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const value = args[next++];
      let out: string;
      switch (verb) {
        case "s":
        case "v":
          out = text(value);
          if (precision !== undefined) out = out.slice(0, Number(precision));
          break;
        case "q":
          out = JSON.stringify(text(value));
          break;
        case "d":
          out = String(value);
          break;
        case "x":
        case "X":
          out = typeof value === "string" ? Buffer.from(value).toString("hex") : Number(value).toString(16);
          if (verb === "X") out = out.toUpperCase();
          break;
        case "o":
          out = Number(value).toString(8);
          break;
        case "f":
          out = Number(value).toFixed(precision === undefined ? 6 : Number(precision));
          break;
        case "t":
          out = String(value);
          break;
        default:
          return whole;
      }
      const wide = Number(width ?? 0);
      if (String(flags).includes("-")) return out.padEnd(wide);
      return out.padStart(wide, String(flags).includes("0") && verb !== "s" ? "0" : " ");
    },
  );
  return result;
}

const jsEscape = (c: string): string =>
  /[\\'"]/.test(c) ? `\\${c}` : `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

const title = (value: Value): string =>
  text(value).replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_m, before, letter) => before + letter.toUpperCase());

export const functions: Readonly<Record<string, TemplateFunction>> = {
  // text/template
  and: (...args) => args.find((value) => !truth(value)) ?? args.at(-1),
  or: (...args) => args.find((value) => truth(value)) ?? args.at(-1),
  not: (value) => !truth(value),
  eq: (first, ...others) => others.some((other) => equal(first, other)),
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  call: (value) => {
    throw new TemplateError(`error calling call: non-function of type ${typeof value}`);
  },
  index,
  slice,
  len: length,
  print: (...args) => args.map(text).join(" "),
  println: (...args) => `${args.map(text).join(" ")}\n`,
  printf,
  html: (value) =>
    text(value).replace(
      /[&<>"']/g,
      (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;" })[c]!,
    ),
  js: (value) => text(value).replace(/[\\'"<>&=\x00-\x1f]/g, jsEscape),
  urlquery: (value) => encodeURIComponent(text(value)).replaceAll("%20", "+"),
  // docker
  json: (value) => toJson(value),
  split: (value, separator) => text(value).split(text(separator)),
  join: (list, separator) => {
    if (!Array.isArray(list))
      throw new TemplateError(`wrong type for value; expected []string; got ${typeof list}`);
    return list.map(text).join(text(separator));
  },
  title,
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  pad: (value, before, after) => {
    const inner = text(value);
    return inner === "" ? "" : " ".repeat(Number(before)) + inner + " ".repeat(Number(after));
  },
  truncate: (value, count) => text(value).slice(0, Math.max(0, Number(count))),
};

const keep: TemplateFunction = (value) => value;

/** For a table's header row: what would change a value leaves the column's title as it is. */
export const headerFunctions: Readonly<Record<string, TemplateFunction>> = {
  ...functions,
  json: keep,
  title: keep,
  lower: keep,
  upper: keep,
  truncate: keep,
  pad: functions["pad"]!,
  split: keep,
  join: keep,
  index: keep,
  slice: keep,
};
