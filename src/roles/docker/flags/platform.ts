// --platform: "linux/arm64/v8".

export interface Platform {
  architecture: string;
  os: string;
  variant?: string;
}

const ARCHITECTURES: Readonly<Record<string, [string, string?]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  i386: ["386"],
};

/** Reads a platform as containerd's platforms package does. Throws with its words. */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part)) {
      throw new Error(
        `${JSON.stringify(part)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
      );
    }
  }
  if (parts.length > 3)
    throw new Error(`${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`);
  const [os = "", architecture = process.arch === "x64" ? "amd64" : process.arch, variant] = parts.map(
    (part) => part.toLowerCase(),
  );
  const [name = architecture, implied] = ARCHITECTURES[architecture] ?? [architecture];
  const own = variant ?? implied;
  return { architecture: name, os, ...(own ? { variant: own } : {}) };
}

/** The query's value: the platform as JSON; undefined for none. */
export const platformQuery = (text: string): string | undefined =>
  text === "" ? undefined : JSON.stringify(parsePlatform(text));
