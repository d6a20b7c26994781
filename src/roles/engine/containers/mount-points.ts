// -v, --mount, --tmpfs, --volumes-from and the image's VOLUME → the mounts of a container, with docker's refusals.
import { statSync } from "node:fs";
import { posix } from "node:path";
import type { ContainerConfig } from "../../../spec/engine/container.ts";
import type { HostConfig } from "../../../spec/engine/host-config.ts";
import type { Mount, MountPoint } from "../../../spec/engine/mount.ts";
import { badRequest } from "../errors.ts";
import type { UserMount } from "../oci/mounts.ts";
import type { Volume, VolumeCreate } from "../volumes/store.ts";
import type { StoredMount } from "./record.ts";

const PROPAGATION: ReadonlySet<string> = new Set([
  "shared",
  "rshared",
  "slave",
  "rslave",
  "private",
  "rprivate",
]);
const CONSISTENCY: ReadonlySet<string> = new Set(["consistent", "cached", "delegated", "default"]);

const blank = (): StoredMount => ({
  Type: "bind",
  Source: "",
  Destination: "",
  Name: "",
  Driver: "",
  Relabel: "",
  RW: true,
  Propagation: "",
  NonRecursive: false,
  CopyData: false,
  CreateSource: false,
  Subpath: "",
  TmpfsOptions: [],
});

function checkTarget(target: string, type: string): string {
  const wrong = (why: string): never => {
    throw badRequest(`invalid mount config for type "${type}": ${why}`);
  };
  if (target === "") wrong("field Target must not be empty");
  if (!target.startsWith("/")) wrong(`invalid mount path: '${target}' mount path must be absolute`);
  const clean = posix.normalize(target).replace(/(.)\/+$/, "$1");
  if (clean === "/") wrong("invalid specification: destination can't be '/'");
  return clean;
}

interface Mode {
  rw: boolean;
  propagation: string;
  copy: boolean;
}

function parseMode(text: string): Mode {
  const mode: Mode = { rw: true, propagation: "", copy: true };
  const seen = new Set<string>();
  const once = (kind: string): void => {
    if (seen.has(kind)) throw badRequest(`invalid mode: ${text}`);
    seen.add(kind);
  };
  for (const word of text === "" ? [] : text.split(",")) {
    if (word === "ro" || word === "rw") {
      once("rw");
      mode.rw = word === "rw";
    } else if (word === "z" || word === "Z") once("label");
    else if (word === "nocopy") {
      once("copy");
      mode.copy = false;
    } else if (PROPAGATION.has(word)) {
      once("propagation");
      mode.propagation = word;
    } else if (CONSISTENCY.has(word)) once("consistency");
    else throw badRequest(`invalid mode: ${text}`);
  }
  return mode;
}

/** One `-v` value. A source that is no absolute path names a volume. */
function parseBind(spec: string): StoredMount {
  const parts = spec.split(":");
  const invalid = (error: unknown): never => {
    throw badRequest(`invalid volume specification: '${spec}': ${(error as Error).message}`);
  };
  if (spec === "" || parts.length > 3 || parts[0] === "") {
    throw badRequest(`invalid volume specification: '${spec}'`);
  }
  if (parts.length === 1) parts.unshift("");
  const [source = "", target = "", modeText = ""] = parts;
  const mode = parseMode(modeText);
  const type = source.startsWith("/") ? "bind" : "volume";
  try {
    const mount = {
      ...blank(),
      Type: type,
      Destination: checkTarget(target, type),
      RW: mode.rw,
    } as StoredMount;
    if (type === "bind") {
      return {
        ...mount,
        Source: posix.normalize(source).replace(/(.)\/+$/, "$1"),
        Relabel: modeText,
        Propagation: mode.propagation || "rprivate",
        CreateSource: true,
      };
    }
    return {
      ...mount,
      Name: source,
      Driver: "local",
      Relabel: modeText || "z",
      CopyData: mode.copy,
      Propagation: mode.propagation,
    };
  } catch (error) {
    return invalid(error);
  }
}

function tmpfsOptions(mount: Mount): string[] {
  const options = mount.TmpfsOptions;
  const words: string[] = [];
  if (options?.SizeBytes) words.push(`size=${options.SizeBytes}`);
  if (options?.Mode) words.push(`mode=${options.Mode.toString(8)}`);
  for (const [key, value] of options?.Options ?? []) {
    if (key !== undefined) words.push(value === undefined ? key : `${key}=${value}`);
  }
  return words;
}

const OPTIONS_OF = [
  ["bind", "BindOptions"],
  ["volume", "VolumeOptions"],
  ["tmpfs", "TmpfsOptions"],
  ["image", "ImageOptions"],
] as const;

/** One `--mount` value. */
function fromMount(mount: Mount): StoredMount {
  const type = mount.Type ?? "";
  if (type !== "bind" && type !== "volume" && type !== "tmpfs") {
    throw badRequest(`invalid mount config for type "${type}": mount type unknown`);
  }
  const wrong = (why: string): never => {
    throw badRequest(`invalid mount config for type "${type}": ${why}`);
  };
  for (const [own, name] of OPTIONS_OF) {
    if (own !== type && mount[name] !== undefined) wrong(`field ${name} must not be specified`);
  }
  const base: StoredMount = {
    ...blank(),
    Type: type,
    Destination: checkTarget(mount.Target ?? "", type),
    RW: !mount.ReadOnly,
  };
  const source = mount.Source ?? "";
  if (type === "tmpfs") {
    if (source !== "") wrong("field Source must not be specified");
    return { ...base, TmpfsOptions: tmpfsOptions(mount) };
  }
  if (type === "volume") {
    if (source.startsWith("/")) {
      wrong(
        `"${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    }
    return {
      ...base,
      Name: source,
      Driver: mount.VolumeOptions?.DriverConfig?.Name ?? "local",
      Relabel: "z",
      CopyData: !mount.VolumeOptions?.NoCopy,
      Subpath: mount.VolumeOptions?.Subpath ?? "",
    };
  }
  if (source === "") wrong("field Source must not be empty");
  if (!source.startsWith("/")) {
    wrong(`invalid mount path: '${source}' mount path must be absolute`);
  }
  const create = mount.BindOptions?.CreateMountpoint === true;
  if (!create && !statSync(source, { throwIfNoEntry: false })) {
    wrong(`bind source path does not exist: ${source}`);
  }
  return {
    ...base,
    Source: posix.normalize(source),
    Propagation: mount.BindOptions?.Propagation ?? "rprivate",
    NonRecursive: mount.BindOptions?.NonRecursive === true,
    CreateSource: create,
  };
}

/** What the mounts of a container are made from. */
export interface MountSources {
  config: ContainerConfig;
  host: HostConfig;
  /** Mounts of another container, for --volumes-from. */
  mountsOf(container: string): Readonly<Record<string, StoredMount>>;
  createVolume(request: VolumeCreate): Volume;
}

/** All mounts by destination. Volumes are made (or found) on the way: call it when everything else about the container is right. */
export function settleMounts(sources: MountSources): Record<string, StoredMount> {
  const { config, host } = sources;
  const asked: { mount: StoredMount; labels?: Record<string, string>; options?: Record<string, string> }[] =
    [];
  const result: Record<string, StoredMount> = {};

  for (const from of host.VolumesFrom ?? []) {
    const [container = "", modeText = ""] = from.split(":");
    const mode = parseMode(modeText);
    for (const mount of Object.values(sources.mountsOf(container))) {
      if (mount.Type === "tmpfs") continue;
      result[mount.Destination] = { ...mount, RW: mount.RW && mode.rw, CopyData: false };
    }
  }
  const driver = host.VolumeDriver || "local";
  for (const spec of host.Binds ?? []) {
    const mount = parseBind(spec);
    asked.push({ mount: mount.Type === "volume" ? { ...mount, Driver: driver } : mount });
  }
  for (const mount of host.Mounts ?? []) {
    asked.push({
      mount: fromMount(mount),
      labels: mount.VolumeOptions?.Labels ?? undefined,
      options: mount.VolumeOptions?.DriverConfig?.Options ?? undefined,
    });
  }
  const destinations = new Set<string>();
  for (const { mount } of asked) {
    if (destinations.has(mount.Destination)) {
      throw badRequest(`Duplicate mount point: ${mount.Destination}`);
    }
    destinations.add(mount.Destination);
  }
  for (const target of Object.keys(host.Tmpfs ?? {})) {
    if (!target.startsWith("/")) {
      throw badRequest(`invalid mount path: '${target}' mount path must be absolute`);
    }
    const clean = checkTarget(target, "tmpfs");
    if (destinations.has(clean)) throw badRequest(`Duplicate mount point: ${clean}`);
    destinations.add(clean);
  }
  for (const target of Object.keys(config.Volumes ?? {})) {
    const clean = checkTarget(target, "volume");
    if (destinations.has(clean) || result[clean]) continue;
    asked.push({
      mount: { ...blank(), Type: "volume", Destination: clean, Driver: driver, CopyData: true },
    });
  }
  for (const { mount, labels, options } of asked) {
    if (mount.Type === "volume") {
      const volume = sources.createVolume({
        ...(mount.Name === "" ? {} : { name: mount.Name }),
        driver: mount.Driver,
        labels,
        options,
      });
      Object.assign(mount, { Name: volume.name, Source: volume.mountpoint });
    }
    result[mount.Destination] = mount;
  }
  return result;
}

/** As inspect and list show them. */
export function shownMounts(mounts: Readonly<Record<string, StoredMount>>): MountPoint[] {
  return Object.values(mounts).map((mount) => ({
    Type: mount.Type,
    ...(mount.Name === "" ? {} : { Name: mount.Name }),
    Source: mount.Source,
    Destination: mount.Destination,
    ...(mount.Driver === "" ? {} : { Driver: mount.Driver }),
    Mode: mount.Relabel,
    RW: mount.RW,
    Propagation: mount.Propagation,
  }));
}

/** For the OCI spec: --tmpfs included. */
export function specMounts(mounts: Readonly<Record<string, StoredMount>>, host: HostConfig): UserMount[] {
  const list = Object.values(mounts).map(
    (mount): UserMount => ({
      destination: mount.Destination,
      kind: mount.Type,
      source: mount.Subpath === "" ? mount.Source : posix.join(mount.Source, mount.Subpath),
      readonly: !mount.RW,
      propagation: mount.Propagation,
      tmpfsOptions: mount.TmpfsOptions,
      nonRecursive: mount.NonRecursive,
    }),
  );
  for (const [destination, options] of Object.entries(host.Tmpfs ?? {})) {
    list.push({
      destination: posix.normalize(destination),
      kind: "tmpfs",
      source: "",
      readonly: false,
      propagation: "",
      tmpfsOptions: options === "" ? [] : options.split(","),
    });
  }
  return list;
}
