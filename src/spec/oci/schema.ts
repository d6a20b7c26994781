// A small checker for JSON documents: tables of fields instead of code, errors that name the field.
// The runtime starts for every container and must stay light, so it cannot load zod (12 ms).

/** Checks a value at a path and returns the complaints about it; empty when it fits. */
export type Check = (value: unknown, path: string, complaints: string[]) => void;

const shown = (value: unknown) => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};
const complain = (what: string): Check => {
  return (value, path, complaints) => {
    complaints.push(`${path}: expected ${what}, got ${shown(value)}`);
  };
};
const at = (path: string, name: string) => (path === "" ? name : `${path}.${name}`);

export const text: Check = (value, path, complaints) => {
  if (typeof value !== "string") complain("a string")(value, path, complaints);
  else if (value.includes("\0")) complaints.push(`${path}: contains a NUL byte`);
};
export const filled: Check = (value, path, complaints) => {
  if (value === "") complaints.push(`${path}: must not be empty`);
  else text(value, path, complaints);
};
export const flag: Check = (value, path, complaints) => {
  if (typeof value !== "boolean") complain("true or false")(value, path, complaints);
};

/** A whole number in [min, max]; what JSON.parse rounds beyond 2^53 is accepted up to the type's bound. */
export function whole(min: number, max: number): Check {
  return (value, path, complaints) => {
    if (typeof value !== "number" || !Number.isInteger(value))
      complain("an integer")(value, path, complaints);
    else if (value < min || value > max)
      complaints.push(`${path}: ${value} is out of range (${min} to ${max})`);
  };
}
export const u16 = whole(0, 0xffff);
export const u32 = whole(0, 0xffffffff);
export const i32 = whole(-0x80000000, 0x7fffffff);
export const u64 = whole(0, 2 ** 64);
export const i64 = whole(-(2 ** 63), 2 ** 63);

export function oneOf(...allowed: readonly string[]): Check {
  return (value, path, complaints) => {
    if (typeof value !== "string" || !allowed.includes(value))
      complain(`one of ${allowed.join(", ")}`)(value, path, complaints);
  };
}

export function matching(pattern: RegExp, what: string): Check {
  return (value, path, complaints) => {
    if (typeof value !== "string" || !pattern.test(value)) complain(what)(value, path, complaints);
  };
}

export function list(of: Check): Check {
  return (value, path, complaints) => {
    if (!Array.isArray(value)) return complain("a list")(value, path, complaints);
    value.forEach((item, i) => {
      of(item, `${path}[${i}]`, complaints);
    });
  };
}

export function map(of: Check): Check {
  return (value, path, complaints) => {
    if (!isObject(value)) return complain("an object")(value, path, complaints);
    for (const [name, item] of Object.entries(value)) of(item, at(path, name), complaints);
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * An object with these fields. A trailing "!" on a name makes it required. Unknown fields are ignored, as the spec asks
 * (config.md#extensibility); null stands for an absent field, as the specs' own Go types write it. The fields come from a
 * function, called at the first such object.
 */
export function object(fields: () => Readonly<Record<string, Check>>): Check {
  // Made at the first check: most documents meet few of the tables, and every start of the runtime loads them all.
  let table: { name: string; required: boolean; check: Check }[] | undefined;
  return (value, path, complaints) => {
    if (!isObject(value)) return complain("an object")(value, path, complaints);
    table ??= fieldTable(fields());
    for (const { name, required, check } of table) {
      const item = value[name];
      if (item === undefined || item === null) {
        if (required) complaints.push(`${at(path, name)}: is required`);
        else if (item === null) delete value[name];
      } else check(item, at(path, name), complaints);
    }
  };
}

function fieldTable(fields: Readonly<Record<string, Check>>) {
  const table: { name: string; required: boolean; check: Check }[] = [];
  for (const key in fields) {
    const required = key.endsWith("!");
    table.push({ name: required ? key.slice(0, -1) : key, required, check: fields[key]! });
  }
  return table;
}
