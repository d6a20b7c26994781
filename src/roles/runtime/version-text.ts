// `--version`, in the shape that dockerd and containerd parse.
import { commit, specs, version } from "../../version.ts";

export function runtimeVersion(): string {
  return [
    `runc version ${version}`,
    `commit: ${commit}`,
    `spec: ${specs.ociRuntime}`,
    `bunker: ${version}`,
    `bun: ${Bun.version}`,
    "",
  ].join("\n");
}
