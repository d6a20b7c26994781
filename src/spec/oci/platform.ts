// Platforms as containerd's platforms package reads, normalises and ranks them: "linux/arm64/v8", x86_64 = amd64 …

/** os/architecture[/variant] with Go's names. */
export interface PlatformSpec {
  os: string;
  architecture: string;
  variant?: string;
}

const ARCHITECTURES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  amd64: ["amd64"],
  aarch64: ["arm64"],
  arm64: ["arm64"],
  i386: ["386"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
};

/** The canonical spelling: aliases resolved, a variant that is the default of its architecture dropped (arm keeps it). */
export function normalize(platform: PlatformSpec): PlatformSpec {
  const os = platform.os.toLowerCase() === "macos" ? "darwin" : platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURES[given] ?? [given];
  let variant = implied ?? (platform.variant ?? "").toLowerCase();
  if (architecture === "amd64" && variant === "v1") variant = "";
  if (architecture === "arm64" && (variant === "8" || variant === "v8")) variant = "";
  if (architecture === "arm") {
    if (variant === "" || variant === "7") variant = "v7";
    else if (/^[568]$/.test(variant)) variant = `v${variant}`;
  }
  return variant === "" ? { os, architecture } : { os, architecture, variant };
}

/** The platform of this machine. */
export const hostPlatform: PlatformSpec = normalize({
  os: "linux",
  architecture: process.arch === "x64" ? "amd64" : process.arch,
});

const KNOWN_OS =
  /^(linux|windows|darwin|macos|freebsd|netbsd|openbsd|dragonfly|solaris|aix|android|illumos|js|nacl|plan9|wasip1|zos|hurd|ios)$/;

/**
 * Parses `os[/arch[/variant]]` or a lone architecture, as `--platform` takes it.
 * Throws Error in containerd's words.
 */
export function parsePlatform(text: string): PlatformSpec {
  const parts = text.split("/");
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part)) {
      throw new Error(
        `${JSON.stringify(part)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
      );
    }
  }
  const [first = "", second, third] = parts;
  if (parts.length > 3) {
    throw new Error(`${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`);
  }
  if (second !== undefined) return normalize({ os: first, architecture: second, variant: third });
  if (KNOWN_OS.test(first.toLowerCase()))
    return { ...hostPlatform, os: normalize({ os: first, architecture: "" }).os };
  const lone = normalize({ os: hostPlatform.os, architecture: first });
  if (
    !/^(amd64|arm64|arm|386|ppc64|ppc64le|mips\w*|riscv64|s390x?|loong64|sparc64?|wasm)$/.test(
      lone.architecture,
    )
  ) {
    throw new Error(`${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`);
  }
  return lone;
}

/** "linux/arm/v7" */
export function formatPlatform(platform: PlatformSpec): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
}

/** What a machine of `wanted` can run, best first. */
function runnable(wanted: PlatformSpec): PlatformSpec[] {
  const { os, architecture, variant } = normalize(wanted);
  const arm = (version: number) =>
    Array.from({ length: version - 4 }, (_, i) => ({ os, architecture: "arm", variant: `v${version - i}` }));
  switch (architecture) {
    case "amd64": {
      const level = Number(variant?.slice(1) ?? 1);
      const lower = Array.from({ length: Math.max(level - 1, 0) }, (_, i) => `v${level - i}`);
      return [
        ...lower.map((v) => ({ os, architecture, variant: v })),
        { os, architecture },
        { os, architecture: "386" },
      ];
    }
    case "arm":
      return arm(Number(variant?.slice(1) ?? 7) || 7);
    case "arm64":
      return [...(variant ? [{ os, architecture, variant }] : []), { os, architecture }, ...arm(8)];
    default:
      return [variant ? { os, architecture, variant } : { os, architecture }];
  }
}

/**
 * How well an image for `candidate` suits `wanted`: 0 is exact, higher is worse, -1 not at all.
 * A 64-bit machine takes 32-bit images last, as containerd's platforms.Only does.
 */
export function platformRank(wanted: PlatformSpec, candidate: PlatformSpec): number {
  const found = normalize(candidate);
  return runnable(wanted).findIndex(
    (can) =>
      can.os === found.os &&
      can.architecture === found.architecture &&
      (can.variant ?? "") === (found.variant ?? ""),
  );
}

/** The entries of an index that suit `wanted`, best first; those that name no platform come last. */
export function matchPlatform<T extends { platform?: PlatformSpec }>(
  wanted: PlatformSpec,
  entries: readonly T[],
): T[] {
  return entries
    .map((entry) => ({
      entry,
      rank: entry.platform ? platformRank(wanted, entry.platform) : Number.MAX_SAFE_INTEGER,
    }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank)
    .map(({ entry }) => entry);
}
