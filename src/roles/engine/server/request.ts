// What routes read from a request: JSON bodies through zod, and the query in docker's spelling.
import type { Context } from "hono";
import type { z } from "zod";
import { GoJsonError, goJson, parseJson } from "../../../spec/engine/go-json.ts";
import { badRequest } from "../errors.ts";

export type Variables = {
  /** The version in the request's path. */
  apiVersion: string;
};

/** hono's environment for every route module: `new Hono<RouteEnv>()`. */
export type RouteEnv = { Variables: Variables };
export type RouteContext = Context<RouteEnv>;

/** Text → the schema's type. ApiError 400 with Go's words. An empty body counts as EOF, as it does for Go. */
export function parseBody<T extends z.ZodType>(schema: T, text: string, what: string): z.output<T> {
  if (text.trim() === "") {
    throw badRequest("invalid JSON: got EOF while reading request body");
  }
  return fromJson(
    schema,
    rethrow(() => parseJson(text)),
    what,
  );
}

/** Parsed JSON → the schema's type. ApiError 400 with Go's words. */
export function fromJson<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  return rethrow(() => goJson(schema, value, what));
}

function rethrow<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof GoJsonError) throw badRequest(`invalid JSON: ${error.message}`);
    throw error;
  }
}

/** The request's JSON body; `optional` takes an empty one as {}. */
export async function readBody<T extends z.ZodType>(
  c: RouteContext,
  schema: T,
  what: string,
  options: { optional?: boolean } = {},
): Promise<z.output<T>> {
  const text = await c.req.text();
  if (text.trim() === "" && options.optional) return fromJson(schema, {}, what);
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type && type !== "application/json") {
    throw badRequest(`unsupported Content-Type header (${type}): must be 'application/json'`);
  }
  return parseBody(schema, text, what);
}

const FALSE = new Set(["", "0", "no", "false", "none"]);

/** docker's booleans: everything but "", 0, no, false and none is true. */
export function boolean(value: string | null | undefined, otherwise = false): boolean {
  if (value === undefined || value === null) return otherwise;
  return !FALSE.has(value.trim().toLowerCase());
}

/** An integer parameter, or undefined when absent or empty. Fractions are cut off. ApiError 400. */
export function integer(value: string | null | undefined, name: string): number | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (!/^[+-]?\d+(\.\d*)?$/.test(value)) {
    throw badRequest(`strconv.Atoi: parsing "${value}": invalid syntax (${name})`);
  }
  return Math.trunc(Number(value));
}

/** `filters`: {"label": ["a=b"]}, or {"label": {"a=b": true}} of old clients. */
export class Filters {
  constructor(readonly map: ReadonlyMap<string, readonly string[]>) {}

  /** ApiError 400 when it is not JSON of that shape. */
  static parse(text: string | null | undefined): Filters {
    const map = new Map<string, string[]>();
    if (!text) return new Filters(map);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw badRequest(`invalid filter: ${text}`);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw badRequest(`invalid filter: ${text}`);
    }
    for (const [key, entry] of Object.entries(value)) {
      if (Array.isArray(entry)) map.set(key, entry.map(String));
      else if (typeof entry === "object" && entry !== null) map.set(key, Object.keys(entry));
      else throw badRequest(`invalid filter: ${text}`);
    }
    return new Filters(map);
  }

  /** With one more value. */
  with(key: string, value: string): Filters {
    return new Filters(new Map([...this.map, [key, [...this.get(key), value]]]));
  }

  /** The values for a key; empty when it was not given. */
  get(key: string): readonly string[] {
    return this.map.get(key) ?? [];
  }

  has(key: string): boolean {
    return this.map.has(key);
  }

  /** ApiError 400 `invalid filter 'x'` for a key that is not among `known`. */
  allow(known: readonly string[]): this {
    for (const key of this.map.keys()) {
      if (!known.includes(key)) throw badRequest(`invalid filter '${key}'`);
    }
    return this;
  }

  /** A boolean filter such as dangling=true; undefined when it was not given. */
  flag(key: string): boolean | undefined {
    const values = this.get(key);
    if (values.length === 0) return undefined;
    const words = new Set(values.map((value) => value.toLowerCase()));
    const yes = words.has("true") || words.has("1");
    const no = words.has("false") || words.has("0");
    if (yes === no) throw badRequest(`invalid filter '${key}=${JSON.stringify(values)}'`);
    return yes;
  }

  /** Whether no value was given for `key`, or `test` holds for one of them. */
  any(key: string, test: (value: string) => boolean): boolean {
    const values = this.get(key);
    return values.length === 0 || values.some(test);
  }

  /** `label=k` and `label=k=v`, all of which must hold; `label!` must not. */
  labels(labels: Readonly<Record<string, string>> | null | undefined): boolean {
    const has = (wanted: string): boolean => {
      const at = wanted.indexOf("=");
      const key = at < 0 ? wanted : wanted.slice(0, at);
      const value = labels?.[key];
      return value !== undefined && (at < 0 || value === wanted.slice(at + 1));
    };
    return this.get("label").every(has) && !this.get("label!").some(has);
  }
}
