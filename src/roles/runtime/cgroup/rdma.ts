import type { Resources } from "../../../spec/oci/runtime.ts";

/** Lines for rdma.max, the same on v1 and v2. config-linux.md#rdma, Documentation/admin-guide/cgroup-v1/rdma.rst */
export function rdmaLines(rdma: Resources["rdma"]): string[] {
  return Object.entries(rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]) =>
    [
      device,
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`]),
    ].join(" "),
  );
}
