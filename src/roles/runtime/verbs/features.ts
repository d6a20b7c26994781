import { HOOK_KINDS, NAMESPACE_TYPES } from "../../../spec/oci/runtime.ts";
import { specs, version } from "../../../version.ts";
import { CAPABILITY_NAMES } from "../launch/capabilities.ts";
import { knownOptions } from "../launch/mount-options.ts";
import { print } from "../output.ts";
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
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
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
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: true } },
    },
    annotations: { "bunker.version": version },
    potentiallyUnsafeConfigAnnotations: [],
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
