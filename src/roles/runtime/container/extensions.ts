// Annotations of crun's that change how a container is started; podman writes the first one (`--group-add keep-groups`).
// They are named in `features` as potentially unsafe, for callers who take annotations from strangers.
import type { Config } from "../../../spec/oci/runtime.ts";

const KEEP_GROUPS = "run.oci.keep_original_groups";
const FAIL_UNKNOWN = "run.oci.seccomp_fail_unknown_syscall";
const HOOK_STDOUT = "run.oci.hooks.stdout";
const HOOK_STDERR = "run.oci.hooks.stderr";

export const UNSAFE_ANNOTATIONS: readonly string[] = [HOOK_STDERR, HOOK_STDOUT, KEEP_GROUPS, FAIL_UNKNOWN];

const isSet = (value: string | undefined) => value !== undefined && value !== "0" && value !== "false";

/** The process keeps the additional groups of whoever called the runtime; additionalGids are left out. */
export const keepsGroups = (config: Config) => isSet(config.annotations?.[KEEP_GROUPS]);

/** A seccomp profile that names a system call nobody knows is an error. */
export const refusesUnknownCalls = (config: Config) => isSet(config.annotations?.[FAIL_UNKNOWN]);

/** Files that hooks write to, appended. */
export const hookFiles = (annotations: Readonly<Record<string, string>> = {}) => ({
  stdout: annotations[HOOK_STDOUT],
  stderr: annotations[HOOK_STDERR],
});
