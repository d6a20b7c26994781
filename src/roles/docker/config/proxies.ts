// The proxies that config.json gives to containers and builds.
import type { ConfigFile } from "./file.ts";

/** Proxy variables of config.json that the command line does not set itself. */
export function proxyWords(config: ConfigFile, host: string): string[] {
  const proxy = config.proxies?.[host] ?? config.proxies?.["default"];
  if (!proxy) return [];
  const pairs: [string, string | undefined][] = [
    ["HTTP_PROXY", proxy.httpProxy],
    ["HTTPS_PROXY", proxy.httpsProxy],
    ["NO_PROXY", proxy.noProxy],
    ["FTP_PROXY", proxy.ftpProxy],
    ["ALL_PROXY", proxy.allProxy],
  ];
  return pairs.flatMap(([name, value]) =>
    value ? [`${name}=${value}`, `${name.toLowerCase()}=${value}`] : [],
  );
}
