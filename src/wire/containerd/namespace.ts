// How the namespace travels over gRPC.

/** gRPC metadata key. */
export const NAMESPACE_HEADER = "containerd-namespace";
