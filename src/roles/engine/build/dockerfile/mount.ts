// RUN --mount=…: caches, tmpfs, and parts of the context. BuildKit's other kinds need a session with the client.
import { DockerfileError } from "./error.ts";

export type RunMount =
  | { type: "cache"; id: string; target: string; readOnly: boolean; mode: number; uid: number; gid: number }
  | { type: "tmpfs"; target: string; size: number }
  | { type: "bind"; source: string; target: string };

const NEEDS_BUILDKIT = (what: string): DockerfileError =>
  new DockerfileError(
    `${what} requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled`,
  );

const SUFFIX: Readonly<Record<string, number>> = { "": 1, b: 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 };

function bytes(text: string): number {
  const [, number, unit = ""] = /^(\d+)([bkmg]?)b?$/i.exec(text) ?? [];
  if (number === undefined) throw new DockerfileError(`invalid size: ${JSON.stringify(text)}`);
  return Number(number) * SUFFIX[unit.toLowerCase()]!;
}

function count(key: string, text: string, base: 8 | 10): number {
  if (!(base === 8 ? /^0?[0-7]{1,4}$/ : /^\d+$/).test(text)) {
    throw new DockerfileError(`invalid value ${JSON.stringify(text)} for key ${key}`);
  }
  return Number.parseInt(text, base);
}

const KEYS: ReadonlySet<string> = new Set([
  "type",
  "target",
  "dst",
  "destination",
  "source",
  "src",
  "from",
  "id",
  "sharing",
  "mode",
  "uid",
  "gid",
  "size",
  "required",
  "env",
]);

function fieldsOf(text: string): { fields: Map<string, string>; readOnly: boolean; writable: boolean } {
  const fields = new Map<string, string>();
  let readOnly = false;
  let writable = false;
  for (const part of text.split(",")) {
    const [key = "", ...rest] = part.split("=");
    const name = key.trim().toLowerCase();
    const value = rest.join("=");
    const yes = rest.length === 0 || value === "true" || value === "1";
    if (name === "ro" || name === "readonly") readOnly = yes;
    else if (name === "rw" || name === "readwrite") writable = yes;
    else if (!KEYS.has(name)) throw new DockerfileError(`unexpected key '${name}' in '${part}'`);
    else fields.set(name, value);
  }
  return { fields, readOnly, writable };
}

/** Throws DockerfileError. */
export function parseMount(text: string): RunMount {
  const { fields, readOnly, writable } = fieldsOf(text);
  const type = fields.get("type") ?? "bind";
  const target = fields.get("target") ?? fields.get("dst") ?? fields.get("destination") ?? "";
  const source = fields.get("source") ?? fields.get("src") ?? "";
  if (type === "secret" || type === "ssh") throw NEEDS_BUILDKIT(`RUN --mount=type=${type}`);
  if (target === "") throw new DockerfileError("target is required for a mount of this type");
  if (fields.get("from")) throw NEEDS_BUILDKIT("RUN --mount with from");
  switch (type) {
    case "cache":
      if (source !== "") throw NEEDS_BUILDKIT("RUN --mount=type=cache with source");
      return {
        type,
        id: fields.get("id") || target,
        target,
        readOnly,
        mode: count("mode", fields.get("mode") ?? "0755", 8),
        uid: count("uid", fields.get("uid") ?? "0", 10),
        gid: count("gid", fields.get("gid") ?? "0", 10),
      };
    case "tmpfs":
      return { type, target, size: bytes(fields.get("size") ?? "0") };
    case "bind":
      // What is written to BuildKit's copy is thrown away; to the context it would stay.
      if (writable) throw NEEDS_BUILDKIT("RUN --mount=type=bind,rw");
      return { type, source, target };
    default:
      throw new DockerfileError(`unsupported mount type ${JSON.stringify(type)}`);
  }
}
