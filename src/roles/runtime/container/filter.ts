// The seccomp filter of a container, compiled only when config.json has one: its tables are the runtime's largest part.
import { arch } from "../../../../ffi/arch/index.ts";
import type { Config } from "../../../spec/oci/runtime.ts";
import type { Filter } from "../seccomp/compile.ts";
import { refusesUnknownCalls } from "./extensions.ts";

export async function filterOf(config: Config): Promise<Filter | undefined> {
  const seccomp = config.linux?.seccomp;
  if (!seccomp) return undefined;
  const { compileFilter } = await import("../seccomp/compile.ts");
  if (refusesUnknownCalls(config)) {
    const { checkCallNames } = await import("../seccomp/names.ts");
    checkCallNames(seccomp);
  }
  return compileFilter(seccomp, arch);
}
