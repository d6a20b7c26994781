// Which registries may be spoken to without TLS: --insecure-registry, and everything on loopback (moby: registry/config.go).
import { BlockList, isIP } from "node:net";

const LOOPBACK = ["127.0.0.0/8", "::1/128"];

/** Host part of "host:port" or "[v6]:port". */
export function hostOf(domain: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(domain)?.[1] ?? domain.replace(/:\d+$/, "");
}

/** @param configured hosts, host:port or CIDRs, as in daemon.json. */
export function isInsecure(domain: string, configured: readonly string[]): boolean {
  if (configured.includes(domain)) return true;
  const host = hostOf(domain);
  if (host === "localhost") return true;
  const family = isIP(host);
  if (family === 0) return false;
  const blocks = new BlockList();
  for (const cidr of [...LOOPBACK, ...configured]) {
    const [address = "", bits] = cidr.split("/");
    const kind = isIP(address);
    if (bits !== undefined && kind !== 0)
      blocks.addSubnet(address, Number(bits), kind === 6 ? "ipv6" : "ipv4");
  }
  return blocks.check(host, family === 6 ? "ipv6" : "ipv4");
}

/** The mirrors that are asked before a registry: those of --registry-mirror, for Docker Hub only. */
export function mirrorsFor(
  domain: string,
  config: { registryMirrors: readonly string[]; insecureRegistries: readonly string[] },
): { url: string; insecure: boolean }[] {
  if (domain !== "docker.io") return [];
  return config.registryMirrors.map((url) => ({
    url,
    insecure: isInsecure(new URL(url).host, config.insecureRegistries),
  }));
}
