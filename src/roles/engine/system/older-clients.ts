// GET /info as older API versions have it. moby: daemon/server/router/system/system_routes.go
import type { SystemInfo } from "../../../spec/engine/system.ts";
import { atLeast } from "../server/version.ts";

const withExpected = ({ ID }: { ID: string }): { ID: string; Expected: string } => ({ ID, Expected: ID });

/** "name=seccomp,profile=builtin" → "seccomp" */
const nameOf = (option: string): string => /(?:^|,)name=([^,]*)/.exec(option)?.[1] ?? option;

/** Without what came later than the version, and with what has gone since. */
export function infoFor(version: string, info: SystemInfo): object {
  const before = (later: string): boolean => !atLeast(version, later);
  const { Containerd, FirewallBackend, DiscoveredDevices, ...rest } = info;
  return {
    ...rest,
    ...(before("1.46") || !Containerd ? {} : { Containerd }),
    ...(before("1.49") || !FirewallBackend ? {} : { FirewallBackend }),
    ...(before("1.50") || !DiscoveredDevices ? {} : { DiscoveredDevices }),
    ...(before("1.50") ? { BridgeNfIptables: false, BridgeNfIp6tables: false } : {}),
    ...(before("1.49")
      ? {
          ContainerdCommit: withExpected(info.ContainerdCommit),
          RuncCommit: withExpected(info.RuncCommit),
          InitCommit: withExpected(info.InitCommit),
        }
      : {}),
    ...(before("1.47")
      ? {
          RegistryConfig: {
            AllowNondistributableArtifactsCIDRs: null,
            AllowNondistributableArtifactsHostnames: null,
            ...info.RegistryConfig,
          },
        }
      : {}),
    ...(before("1.25")
      ? { ExecutionDriver: "<not supported>", SecurityOptions: info.SecurityOptions.map(nameOf) }
      : {}),
  };
}
