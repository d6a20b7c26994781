// Running without root's privileges: which cgroups a container may use. docs: README.md, "Without root"
import { NR } from "../../../ffi/arch/index.ts";
import { AT_FDCWD } from "../../../ffi/constants/fcntl.ts";
import { cstr, rawSyscall } from "../../../ffi/libc.ts";
import { exists, parentOf } from "../../../ffi/path.ts";
import type { Resources } from "../../spec/oci/runtime.ts";
import type { CgroupPaths } from "./cgroup/paths.ts";
import { settingsV1 } from "./cgroup/v1.ts";
import { settingsV2 } from "./cgroup/v2.ts";
import { RuntimeError } from "./errors.ts";

const W_OK = 2;

/** Whether a directory may be made at the path: the nearest one that is there can be written to. */
function mayMake(path: string): boolean {
  let at = path;
  while (!exists(at)) at = parentOf(at);
  return rawSyscall(NR.faccessat, AT_FDCWD, cstr(at), W_OK) === 0;
}

/**
 * The cgroups that this user may make (`--rootless`). Without a path of its own in config.json a container goes without the
 * others; a limit that would need one of them is refused.
 */
export function usableCgroups(
  paths: CgroupPaths,
  resources: Resources,
  configured: string | undefined,
): CgroupPaths {
  if (configured) return paths;
  const usable = Object.fromEntries(Object.entries(paths).filter(([, path]) => mayMake(path)));
  const v2 = Object.keys(paths).every((controller) => controller === "");
  const wanted = v2
    ? settingsV2(resources).map(([file]) => ({ controller: "", file }))
    : settingsV1(resources);
  for (const { controller, file } of wanted)
    if (paths[controller] !== undefined && usable[controller] === undefined)
      throw new RuntimeError(`cannot set ${file}: container could not join or create cgroup`);
  return usable;
}
