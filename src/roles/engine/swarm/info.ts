// What `docker info` says of the swarm.
import type { SystemInfo } from "../../../spec/engine/system.ts";
import type { SwarmState } from "./cluster.ts";

export function swarmInfo(current: SwarmState | undefined): SystemInfo["Swarm"] {
  if (!current) {
    return {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    };
  }
  const { node, cluster } = current;
  const { ID, Version, CreatedAt, UpdatedAt, Spec } = cluster;
  return {
    NodeID: node.ID,
    NodeAddr: node.address,
    LocalNodeState: "active",
    ControlAvailable: true,
    Error: "",
    RemoteManagers: [{ NodeID: node.ID, Addr: `${node.address}:2377` }],
    Nodes: 1,
    Managers: 1,
    Cluster: { ID, Version: { Index: Version }, CreatedAt, UpdatedAt, Spec },
  };
}
