// The OCI process of an exec: the container's own environment and rights with what the exec asked for over them.
import { O_DIRECTORY } from "../../../../ffi/arch/index.ts";
import { O_PATH } from "../../../../ffi/constants/fcntl.ts";
import { open } from "../../../../ffi/file.ts";
import type { Process } from "../../../spec/oci/runtime.ts";
import type { EngineConfig } from "../config/types.ts";
import { hostnameOf } from "../containers/etc-files.ts";
import { readInRoot } from "../containers/rootfs.ts";
import { normalizeCapabilities, ownCapabilities, tweakCapabilities } from "../oci/capabilities.ts";
import { containerEnvironment, mergeEnvironment } from "../oci/environment.ts";
import { parseSecurityOptions } from "../oci/security.ts";
import { processCapabilities } from "../oci/spec.ts";
import { type ContainerUser, resolveUser } from "../oci/user.ts";
import type { Exec } from "./exec.ts";

// The container's tree as its own process sees it; the magic link of /proc leads there, and nothing leads out again.
function lookUp(exec: Exec, spec: string): ContainerUser {
  const { container } = exec;
  const own = spec === container.record.Config.User;
  using root = open(`/proc/${container.state.stored.Pid}/root`, O_PATH | O_DIRECTORY);
  return resolveUser(
    spec,
    own ? (container.host.GroupAdd ?? []) : [],
    readInRoot(root, "/etc/passwd"),
    readInRoot(root, "/etc/group"),
  );
}

/** `variables`: of the engine's own making, as the container's first process has them. ApiError 400 for an unknown user. */
export function execProcess(
  exec: Exec,
  terminal: boolean,
  size: readonly [number, number] | undefined,
  engine: EngineConfig,
  variables: readonly string[],
): Process {
  const { config, container } = exec;
  const { record, host } = container;
  const user = lookUp(exec, config.User || record.Config.User);
  const capabilities = tweakCapabilities(
    normalizeCapabilities(host.CapAdd, "CapAdd"),
    normalizeCapabilities(host.CapDrop, "CapDrop"),
    host.Privileged || config.Privileged,
    ownCapabilities(),
  );
  const security = parseSecurityOptions(host.SecurityOpt, engine);
  const base = containerEnvironment({
    env: [...variables, ...(record.Config.Env ?? [])],
    hostname: hostnameOf(container),
    tty: terminal,
  });
  const [height, width] = size ?? [0, 0];
  return {
    terminal,
    ...(terminal && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args: config.Cmd ?? [],
    env: mergeEnvironment(base, config.Env ?? []),
    cwd: config.WorkingDir || record.Config.WorkingDir || "/",
    capabilities: processCapabilities(capabilities, user.uid),
    noNewPrivileges: security.noNewPrivileges && !config.Privileged,
    ...(security.apparmor && !config.Privileged ? { apparmorProfile: security.apparmor } : {}),
    oomScoreAdj: host.OomScoreAdj,
  };
}
