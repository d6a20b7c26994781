// Device nodes and device cgroup rules.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../../../ffi/errno.ts";
import type { Device, DeviceRule } from "../../../spec/oci/runtime.ts";
import { ApiError, badRequest } from "../errors.ts";

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

const rule = (allow: boolean, major: number, minor: number): DeviceRule => ({
  allow,
  type: "c",
  major,
  minor,
  access: "rwm",
});

/** null, zero, full, random, urandom, tty, console; everything else is denied, fuse by name. */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  { allow: false, access: "rwm" },
  rule(true, 1, 5),
  rule(true, 1, 3),
  rule(true, 1, 9),
  rule(true, 1, 8),
  rule(true, 5, 0),
  rule(true, 5, 1),
  rule(false, 10, 229),
];

/** man 3 makedev, taken apart. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const dev = BigInt(rdev);
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)),
  };
}

function inspectDevice(hostPath: string, containerPath: string): Device | undefined {
  const stat = statSync(hostPath);
  const kind = stat.mode & S_IFMT;
  if (kind !== S_IFCHR && kind !== S_IFBLK) return undefined;
  return {
    path: containerPath,
    type: kind === S_IFCHR ? "c" : "b",
    ...deviceNumbers(stat.rdev),
    fileMode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

const asRule = (device: Device, access: string): DeviceRule => ({
  allow: true,
  type: device.type === "b" ? "b" : "c",
  major: device.major,
  minor: device.minor,
  access,
});

export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

/** `--device`: one node, or every node below a directory. ApiError with docker's words when there is none. */
export function mappedDevices(mapping: DeviceMapping): { devices: Device[]; rules: DeviceRule[] } {
  const access = mapping.CgroupPermissions || "rwm";
  const fail = (why: string): never => {
    throw new ApiError(
      500,
      `error gathering device information while adding custom device "${mapping.PathOnHost}": ${why}`,
    );
  };
  try {
    const device = inspectDevice(mapping.PathOnHost, mapping.PathInContainer);
    if (device) return { devices: [device], rules: [asRule(device, access)] };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return fail("no such file or directory");
    throw error;
  }
  if (!statSync(mapping.PathOnHost).isDirectory()) return fail("not a device node");
  const devices = below(mapping.PathOnHost, mapping.PathInContainer);
  return { devices, rules: devices.map((device) => asRule(device, access)) };
}

function below(hostDirectory: string, containerDirectory: string): Device[] {
  const found: Device[] = [];
  for (const entry of readdirSync(hostDirectory, { withFileTypes: true })) {
    const hostPath = join(hostDirectory, entry.name);
    const containerPath = join(containerDirectory, entry.name);
    if (entry.isDirectory()) {
      // What every container has of its own, and what is no device.
      if (!["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"].includes(entry.name)) {
        found.push(...below(hostPath, containerPath));
      }
      continue;
    }
    if (entry.name === "console" || entry.isSymbolicLink()) continue;
    try {
      const device = inspectDevice(hostPath, containerPath);
      if (device) found.push(device);
    } catch (error) {
      // Unplugged while we looked.
      if (!isErrno(error, "ENOENT", "ENXIO")) throw error;
    }
  }
  return found;
}

/** All device nodes of the host, for --privileged. */
export function hostDevices(): Device[] {
  return below("/dev", "/dev");
}

/** `--device-cgroup-rule "c 42:* rwm"`. ApiError 400. */
export function parseDeviceRule(text: string): DeviceRule {
  const match = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(text);
  if (!match) throw badRequest(`invalid device cgroup rule format: '${text}'`);
  const [, type, major, minor, access] = match;
  return {
    allow: true,
    type: type as "a" | "c" | "b",
    major: major === "*" ? -1 : Number(major),
    minor: minor === "*" ? -1 : Number(minor),
    access,
  };
}
