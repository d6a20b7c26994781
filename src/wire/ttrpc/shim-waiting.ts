// What a shim of ours answers that has no container yet, or not any more: to become the shim of one. It is asked over the
// connection that it was born with; when that ends, so does a shim without a container.
import { message } from "./codec.ts";
import { Empty } from "./messages/well-known.ts";
import { service } from "./service.ts";

const p = "bunker.shim.v1.";
export const AdoptRequest = message(`${p}AdoptRequest`, {
  namespace: [1, "string"],
  id: [2, "string"],
  /** containerd's addresses. */
  address: [3, "string"],
  ttrpcAddress: [4, "string"],
  publishBinary: [5, "string"],
  bundle: [6, "string"],
});
export const AdoptResponse = message(`${p}AdoptResponse`, {
  /** Where it listens now. */
  address: [1, "string"],
});

export const ShimWaiting = service(`${p}Waiting`, {
  adopt: ["Adopt", AdoptRequest, AdoptResponse],
  /** In place of Shutdown, once the container is deleted: the shim waits for another one. */
  release: ["Release", Empty, Empty],
});

/** The action of such a shim on its command line. */
export const WAIT = "wait";
/** Its connection; 3 is kept free for the socket that it will listen on. */
export const CONNECTION = 4;

/**
 * Annotations that name a group of containers, a pod's for one, which share a shim: it listens under the group's id. The first that
 * is there counts. containerd: cmd/containerd-shim-runc-v2/manager.
 */
export const GROUP_ANNOTATIONS = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"] as const;
