// RUN --mount=…: docs.docker.com/reference/dockerfile "RUN --mount"
import { posix } from "node:path";
import { DockerfileError } from "./error.ts";

export type Sharing = "shared" | "private" | "locked";

/** Who owns what is mounted, and its permission bits. */
interface Owned {
  mode: number;
  uid: number;
  gid: number;
}

export type RunMount =
  | ({ type: "cache"; id: string; target: string; readOnly: boolean; sharing: Sharing } & Owned)
  | { type: "tmpfs"; target: string; size: number }
  /** `from` "" for the context. What is written to a writable one is thrown away. */
  | { type: "bind"; from: string; source: string; target: string; writable: boolean }
  /** `env` "" for none; `target` "" when there is only a variable. */
  | ({ type: "secret"; id: string; target: string; env: string; required: boolean } & Owned)
  /** `target` "" for the place that ssh mounts have by themselves. */
  | ({ type: "ssh"; id: string; target: string; required: boolean } & Owned);

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

/** Keys by the names that they are kept under. */
const KEYS: Readonly<Record<string, string>> = {
  type: "type",
  target: "target",
  dst: "target",
  destination: "target",
  source: "source",
  src: "source",
  from: "from",
  id: "id",
  sharing: "sharing",
  mode: "mode",
  uid: "uid",
  gid: "gid",
  size: "size",
  env: "env",
  required: "required",
  ro: "readonly",
  readonly: "readonly",
  rw: "readwrite",
  readwrite: "readwrite",
};
const SWITCHES: ReadonlySet<string> = new Set(["required", "readonly", "readwrite"]);

/** What a --mount says, by key. Throws DockerfileError for keys that no mount has. */
export function fieldsOfMount(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of text.split(",")) {
    const [key = "", ...rest] = part.split("=");
    const name = KEYS[key.trim().toLowerCase()];
    if (name === undefined)
      throw new DockerfileError(`unexpected key '${key.trim().toLowerCase()}' in '${part}'`);
    if (rest.length === 0 && !SWITCHES.has(name))
      throw new DockerfileError(`invalid field '${part}' must be a key=value pair`);
    fields.set(name, rest.length === 0 ? "true" : rest.join("="));
  }
  return fields;
}

function switched(fields: Map<string, string>, key: string): boolean {
  const value = fields.get(key) ?? "false";
  if (!/^(1|t|true|0|f|false)$/i.test(value)) {
    throw new DockerfileError(`invalid value for ${key}: ${value}`);
  }
  return /^(1|t|true)$/i.test(value);
}

const owned = (fields: Map<string, string>, mode: string): Owned => ({
  mode: count("mode", fields.get("mode") ?? mode, 8),
  uid: count("uid", fields.get("uid") ?? "0", 10),
  gid: count("gid", fields.get("gid") ?? "0", 10),
});

function sharingOf(text: string): Sharing {
  if (text !== "shared" && text !== "private" && text !== "locked") {
    throw new DockerfileError(`unsupported sharing value ${JSON.stringify(text)}`);
  }
  return text;
}

function secret(fields: Map<string, string>): RunMount {
  const target = fields.get("target") ?? "";
  const id = fields.get("source") || fields.get("id") || posix.basename(target);
  if (id === "") throw new DockerfileError("one of source, target required");
  const env = fields.get("env") ?? "";
  const place = target !== "" ? target : env !== "" ? "" : `/run/secrets/${posix.basename(id)}`;
  return {
    type: "secret",
    id,
    target: place,
    env,
    required: switched(fields, "required"),
    ...owned(fields, "0400"),
  };
}

/** Throws DockerfileError. */
export function parseMount(text: string): RunMount {
  const fields = fieldsOfMount(text);
  const type = fields.get("type") ?? "bind";
  const target = fields.get("target") ?? "";
  const source = fields.get("source") ?? "";
  const from = fields.get("from") ?? "";
  if (type === "secret") return secret(fields);
  if (type === "ssh") {
    const required = switched(fields, "required");
    return { type, id: fields.get("id") || source || "default", target, required, ...owned(fields, "0600") };
  }
  if (target === "") throw new DockerfileError("target is required for a mount of this type");
  switch (type) {
    case "cache":
      if (from !== "" || source !== "") {
        throw new DockerfileError(
          "RUN --mount=type=cache that begins with files (from, source) is not implemented",
        );
      }
      return {
        type,
        id: fields.get("id") || target,
        target,
        readOnly: switched(fields, "readonly"),
        sharing: sharingOf(fields.get("sharing") ?? "shared"),
        ...owned(fields, "0755"),
      };
    case "tmpfs":
      return { type, target, size: bytes(fields.get("size") ?? "0") };
    case "bind":
      return { type, from, source, target, writable: switched(fields, "readwrite") };
    default:
      throw new DockerfileError(`unsupported mount type ${JSON.stringify(type)}`);
  }
}
