// Request bodies as Go's encoding/json reads them, since that is what clients were tested against: keys match without regard
// to case, null means "not given", numbers may come as floats, unknown keys are ignored; what was not given gets Go's zero value
// (and what Go omits when empty stays away), so that an inspect shows exactly what the real engine shows.
import { z } from "zod";

/** A body that does not fit. The engine answers it with 400. */
export class GoJsonError extends Error {
  override readonly name = "GoJsonError";
}

export const string = z.string().default("");
export const boolean = z.boolean().default(false);
/** int, int64, uint16 …: a fraction is cut off. */
export const integer = z
  .number()
  .transform((value) => Math.trunc(value))
  .default(0);
export const strings = z.array(z.string()).nullable().default(null);
export const stringMap = z.record(z.string(), z.string()).nullable().default(null);
/** A Go set, `map[string]struct{}`. */
export const stringSet = z.record(z.string(), z.object({})).nullable().default(null);
/** Pointers: null when not given. */
export const integerPointer = z
  .number()
  .transform((value) => Math.trunc(value))
  .nullable()
  .default(null);
export const booleanPointer = z.boolean().nullable().default(null);
/** Docker's StrSlice: a list, or one string that is a list of one. */
export const strSlice = z
  .union([z.array(z.string()), z.string().transform((value) => [value])])
  .nullable()
  .default(null);

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return false;
}

/** Go's `omitempty`: absent when the value is the zero value. Pointers keep their zero (`omitempty` looks at nil only). */
export function omitEmpty<T extends z.ZodType>(schema: T) {
  return schema.optional().transform((value): z.output<T> | undefined => {
    if (isEmpty(value)) return undefined;
    if (typeof value === "object" && value !== null && Object.keys(value).length === 0) return undefined;
    return value;
  });
}

type Node = z.core.$ZodType;

function unwrap(schema: Node): Node {
  for (let current = schema; ; ) {
    const def = current._zod.def as z.core.$ZodTypeDef & { innerType?: Node; in?: Node; out?: Node };
    if (def.innerType) current = def.innerType;
    else if (def.type === "pipe" && def.in) current = def.in;
    else return current;
  }
}

// What null means for an element of a list or map: the element type's zero value.
function zero(schema: Node): unknown {
  switch (unwrap(schema)._zod.def.type) {
    case "object":
      return {};
    case "string":
      return "";
    case "number":
      return 0;
    case "boolean":
      return false;
    default:
      return null;
  }
}

function normalize(schema: Node, value: unknown): unknown {
  const inner = unwrap(schema);
  const def = inner._zod.def as z.core.$ZodTypeDef & {
    shape?: Record<string, Node>;
    element?: Node;
    valueType?: Node;
  };
  if (def.type === "object" && def.shape && isRecord(value)) {
    const names = new Map(Object.keys(def.shape).map((name) => [name.toLowerCase(), name]));
    const result: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(value)) {
      const name = Object.hasOwn(def.shape, key) ? key : names.get(key.toLowerCase());
      if (name === undefined || field === null) continue;
      result[name] = normalize(def.shape[name]!, field);
    }
    return result;
  }
  if (def.type === "array" && def.element && Array.isArray(value)) {
    const element = def.element;
    return value.map((item) => normalize(element, item === null ? zero(element) : item));
  }
  if (def.type === "record" && def.valueType && isRecord(value)) {
    const type = def.valueType;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, normalize(type, item === null ? zero(type) : item)]),
    );
  }
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function jsonType(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) current = (current as Record<PropertyKey, unknown> | undefined)?.[key];
  return current;
}

/** Parsed JSON → the schema's type. `what` names the body in the error. Throws GoJsonError with Go's kind of sentence. */
export function goJson<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  if (value === null) return goJson(schema, {}, what);
  const normal = normalize(schema, value);
  const parsed = schema.safeParse(normal);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = [what, ...issue.path.map(String)].join(".");
  const given = jsonType(at(normal, issue.path));
  const wanted = "expected" in issue ? String(issue.expected) : issue.message;
  throw new GoJsonError(
    issue.path.length === 0
      ? `json: cannot unmarshal ${given} into Go value of type ${what}`
      : `json: cannot unmarshal ${given} into Go struct field ${where} of type ${wanted}`,
  );
}

/** A body's text → its JSON, with Go's words for what is wrong with it. Throws GoJsonError. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new GoJsonError(
      /unexpected (eof|end)|unterminated/i.test(String(error)) || text.trim() === ""
        ? "unexpected EOF"
        : `invalid character in JSON: ${(error as Error).message}`,
    );
  }
}
