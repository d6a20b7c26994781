import { print } from "../../../../ffi/output.ts";
import { HOOK_KINDS, NAMESPACE_TYPES } from "../../../spec/oci/runtime.ts";
import { commit, specs, version } from "../../../version.ts";
import { UNSAFE_ANNOTATIONS } from "../container/extensions.ts";
import { CAPABILITY_NAMES } from "../launch/capabilities.ts";
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES } from "../launch/memory-policy.ts";
import { knownOptions } from "../launch/mount-options.ts";
import {
  SECCOMP_ACTIONS,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
  supportedArchitectures,
} from "../seccomp/compile.ts";
import type { Verb } from "./verb.ts";

/** features.md: what this runtime can do, whatever this machine can. */
export function featureDocument() {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: specs.ociRuntime,
    hooks: [...HOOK_KINDS],
    mountOptions: knownOptions(),
    linux: {
      namespaces: [...NAMESPACE_TYPES].sort(),
      capabilities: CAPABILITY_NAMES,
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        enabled: true,
        actions: SECCOMP_ACTIONS,
        operators: SECCOMP_OPERATORS,
        archs: supportedArchitectures(),
        knownFlags: SECCOMP_FLAGS,
        supportedFlags: SECCOMP_FLAGS,
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: MEMORY_POLICY_MODES, flags: MEMORY_POLICY_FLAGS },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: {
      "bunker.version": version,
      "bunker.commit": commit,
      // What callers of runc look for under its names.
      "org.opencontainers.runc.version": version,
      "org.opencontainers.runc.commit": commit,
      "org.opencontainers.runc.checkpoint.enabled": "false",
    },
    potentiallyUnsafeConfigAnnotations: ["org.systemd.property.", ...UNSAFE_ANNOTATIONS],
  };
}

export const features: Verb = {
  about: "show the enabled features",
  usage: "",
  flags: {},
  arguments: { min: 0, max: 0 },
  async run() {
    print(`${JSON.stringify(featureDocument(), null, 4)}\n`);
    return 0;
  },
};
