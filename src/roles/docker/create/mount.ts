// --mount type=…,src=…,dst=… → the API's Mount.
import { isAbsolute, resolve } from "node:path";
import { parseBool, parseBytes } from "../flags/values.ts";
import { csvFields } from "./csv.ts";

export interface MountRequest {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: {
    Propagation?: string;
    NonRecursive?: boolean;
    CreateMountpoint?: boolean;
    ReadOnlyNonRecursive?: boolean;
    ReadOnlyForceRecursive?: boolean;
  };
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: Record<string, string>;
    Subpath?: string;
    DriverConfig?: { Name?: string; Options?: Record<string, string> };
  };
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

function pair(value: string): [string, string] {
  const equals = value.indexOf("=");
  return equals < 0 ? [value, ""] : [value.slice(0, equals), value.slice(equals + 1)];
}

function boolean(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

/** Parses one --mount. Throws Error with docker's words. */
export function parseMount(text: string): MountRequest {
  const mount: MountRequest = { Type: "volume" };
  const bind = () => {
    mount.BindOptions ??= {};
    return mount.BindOptions;
  };
  const volume = () => {
    mount.VolumeOptions ??= {};
    return mount.VolumeOptions;
  };
  const driver = () => {
    const options = volume();
    options.DriverConfig ??= {};
    return options.DriverConfig;
  };
  const tmpfs = () => {
    mount.TmpfsOptions ??= {};
    return mount.TmpfsOptions;
  };
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    let value = field.slice(equals + 1);
    if (equals < 0) {
      if (!["readonly", "ro", "volume-nocopy", "bind-nonrecursive"].includes(key)) {
        throw new Error(`invalid field '${field}' must be a key=value pair`);
      }
      value = "true";
    }
    switch (key) {
      case "type":
        mount.Type = value.toLowerCase();
        break;
      case "source":
      case "src":
        // A path that starts with a dot is one of ours; a bare word names a volume.
        mount.Source = value === "." || /^\.\.?(\/|$)/.test(value) ? resolve(value) : value;
        break;
      case "target":
      case "dst":
      case "destination":
        mount.Target = value;
        break;
      case "readonly":
      case "ro":
        mount.ReadOnly = boolean(key, value);
        break;
      case "consistency":
        mount.Consistency = value.toLowerCase();
        break;
      case "bind-propagation":
        bind().Propagation = value.toLowerCase();
        break;
      case "bind-nonrecursive":
        if (boolean(key, value)) bind().NonRecursive = true;
        break;
      case "bind-recursive":
        recursive(value, bind());
        break;
      case "volume-nocopy":
        volume().NoCopy = boolean(key, value);
        break;
      case "volume-subpath":
        volume().Subpath = value;
        break;
      case "volume-label": {
        const [name, label] = pair(value);
        volume().Labels = { ...volume().Labels, [name]: label };
        break;
      }
      case "volume-driver":
        driver().Name = value;
        break;
      case "volume-opt": {
        const [name, option] = pair(value);
        driver().Options = { ...driver().Options, [name]: option };
        break;
      }
      case "image-subpath":
        mount.ImageOptions = { Subpath: value };
        break;
      case "tmpfs-size":
        try {
          tmpfs().SizeBytes = parseBytes(value);
        } catch {
          throw new Error(`invalid value for ${key}: ${value}`);
        }
        break;
      case "tmpfs-mode":
        if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
        tmpfs().Mode = Number.parseInt(value, 8);
        break;
      default:
        throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  if (mount.Type === "") throw new Error("type is required");
  if (!mount.Target) throw new Error("target is required");
  check(mount);
  return mount;
}

function recursive(value: string, options: NonNullable<MountRequest["BindOptions"]>): void {
  switch (value) {
    case "enabled":
      break;
    case "disabled":
      options.NonRecursive = true;
      break;
    case "writable":
      options.ReadOnlyNonRecursive = true;
      break;
    case "readonly":
      options.ReadOnlyForceRecursive = true;
      break;
    default:
      throw new Error(
        `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
      );
  }
}

function check(mount: MountRequest): void {
  const { Type: type } = mount;
  if (mount.VolumeOptions && type !== "volume")
    throw new Error(`cannot mix 'volume-*' options with mount type '${type}'`);
  if (mount.BindOptions && type !== "bind")
    throw new Error(`cannot mix 'bind-*' options with mount type '${type}'`);
  if (mount.ImageOptions && type !== "image")
    throw new Error(`cannot mix 'image-*' options with mount type '${type}'`);
  if (mount.TmpfsOptions && type !== "tmpfs")
    throw new Error(`cannot mix 'tmpfs-*' options with mount type '${type}'`);
  const { BindOptions: bind } = mount;
  if (bind?.ReadOnlyNonRecursive && !mount.ReadOnly) {
    throw new Error("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
  }
  if (bind?.ReadOnlyForceRecursive) {
    if (!mount.ReadOnly) {
      throw new Error("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
    }
    if (bind.Propagation !== "rprivate") {
      throw new Error(
        "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
      );
    }
  }
}

/** One -v: a bind (or named volume) as the engine reads it, or the path of an anonymous volume. */
export function parseVolume(spec: string): { bind: string } | { anonymous: string } {
  if (spec === "") throw new Error("invalid empty volume spec");
  const parts = spec.split(":");
  if (parts.length > 3) throw new Error(`invalid spec: ${spec}: too many colons`);
  if (parts.length === 1) return { anonymous: spec };
  if (parts[0] === "") throw new Error(`invalid spec: ${spec}: empty section between colons`);
  const source = parts[0]!;
  if (/^\.\.?(\/|$)/.test(source) || (source.startsWith("~") && isAbsolute(source))) {
    return { bind: [resolve(source), ...parts.slice(1)].join(":") };
  }
  return { bind: spec };
}
