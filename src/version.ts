// What this binary is. The build replaces the two constants (scripts/build.ts).
declare const BUNKER_COMMIT: string | undefined;
declare const BUNKER_RELEASE: string | undefined;

import packageJson from "../package.json" with { type: "json" };

export const version: string = typeof BUNKER_RELEASE === "string" ? BUNKER_RELEASE : packageJson.version;
/** Git commit of the build; "unknown" when run from a checkout. */
export const commit: string = typeof BUNKER_COMMIT === "string" ? BUNKER_COMMIT : "unknown";

/** The specifications spoken, by name. */
export const specs = {
  ociRuntime: "1.3.0",
  ociImage: "1.1.1",
  ociDistribution: "1.1.1",
  engineApi: "1.51",
  engineApiMinimum: "1.24",
  shim: "v2",
} as const;

export function versionText(): string {
  return [
    `bunker version ${version}, commit ${commit}`,
    `Engine API: ${specs.engineApi} (minimum ${specs.engineApiMinimum})`,
    `OCI runtime spec: ${specs.ociRuntime}`,
    `OCI image spec: ${specs.ociImage}`,
    `OCI distribution spec: ${specs.ociDistribution}`,
    `containerd shim protocol: ${specs.shim}`,
    `bun: ${Bun.version}`,
    "",
  ].join("\n");
}
