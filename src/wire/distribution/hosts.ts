// hosts.toml: which hosts stand for a registry, in which order and for what (containerd's docs/hosts.md). One directory a registry
// below a directory of them: <directory>/<host>[:port]/hosts.toml, or _default for all that have none.
import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { ServiceError } from "../containerd/services.ts";
import { certificatesIn, type TlsOptions } from "./certificates.ts";
import type { ConnectionOptions } from "./connection.ts";

export const CAPABILITIES = ["pull", "resolve", "push"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** One host that may be asked. */
export interface Host {
  /** "https://mirror.example:5000", perhaps with a path. */
  url: string;
  capabilities: readonly Capability[];
  options: ConnectionOptions;
}

const text = z.union([z.string(), z.array(z.string())]);
const HostEntry = z.object({
  capabilities: z.array(z.enum(CAPABILITIES)).optional(),
  ca: text.optional(),
  client: z.union([z.string(), z.array(z.union([z.string(), z.array(z.string())]))]).optional(),
  skip_verify: z.boolean().optional(),
  header: z.record(z.string(), text).optional(),
  override_path: z.boolean().optional(),
});
type HostEntry = z.infer<typeof HostEntry>;
const HostsFile = HostEntry.extend({
  server: z.string().optional(),
  host: z.record(z.string(), HostEntry).optional(),
});

const list = (value: string | string[] | undefined) => (value === undefined ? [] : [value].flat());

/** The directory of a registry's settings: its name, the name without a colon (for file systems that know none), or the default. */
function directoryOf(root: string, domain: string): string | undefined {
  // A host name holds no slash; "." and ".." are none.
  if (domain === "." || domain === "..") return undefined;
  const names = [domain, domain.replace(/:(\d+)$/, "_$1_"), "_default"];
  return names.map((name) => join(root, name)).find((path) => existsSync(path));
}

function tlsOf(directory: string, file: string, entry: HostEntry): TlsOptions | undefined {
  const read = (path: string): string => {
    const whole = isAbsolute(path) ? path : join(directory, path);
    try {
      return readFileSync(whole, "utf8");
    } catch (error) {
      throw new ServiceError("InvalidArgument", `${file}: cannot read ${whole}: ${(error as Error).message}`);
    }
  };
  const options: TlsOptions = {};
  const ca = list(entry.ca).map(read);
  if (ca.length > 0) options.ca = ca;
  // "client.pem" with both, or a list of such and of [certificate, key]; one pair is what a connection can show.
  const [client] = typeof entry.client === "string" ? [entry.client] : (entry.client ?? []);
  if (client !== undefined) {
    const [certificate = "", key] = [client].flat();
    options.cert = read(certificate);
    options.key = read(key === undefined || key === "" ? certificate : key);
  }
  if (entry.skip_verify) options.rejectUnauthorized = false;
  return Object.keys(options).length > 0 ? options : undefined;
}

function hostOf(directory: string, file: string, name: string, entry: HostEntry, domain: string): Host {
  const url = /^[a-z]+:\/\//i.test(name) ? name : `https://${name}`;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new ServiceError("InvalidArgument", `${file}: ${JSON.stringify(name)} is no address of a registry`);
  }
  const tls = tlsOf(directory, file, entry);
  const headers = Object.fromEntries(
    Object.entries(entry.header ?? {}).map(([key, value]) => [key.toLowerCase(), list(value).join(", ")]),
  );
  return {
    url,
    capabilities: entry.capabilities ?? CAPABILITIES,
    options: {
      endpoint: url,
      namespace: domain,
      ...(tls ? { tls } : {}),
      ...(Object.keys(headers).length > 0 ? { headers } : {}),
      ...(entry.override_path ? { wholePath: true } : {}),
    },
  };
}

function parse(file: string): z.infer<typeof HostsFile> {
  let parsed: unknown;
  try {
    parsed = Bun.TOML.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ServiceError("InvalidArgument", `${file}: ${(error as Error).message}`);
  }
  const result = HostsFile.safeParse(parsed);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ServiceError("InvalidArgument", `${file}: ${issue?.path.join(".")}: ${issue?.message}`);
}

/**
 * The hosts that stand for the registry `domain`, in order, the registry's own server last. Undefined when nothing is said about it.
 * Throws ServiceError for a file that cannot be understood: going on without it could ask a host that must not be asked.
 */
export function readHosts(root: string, domain: string): Host[] | undefined {
  const directory = directoryOf(root, domain);
  if (directory === undefined) return undefined;
  const file = join(directory, "hosts.toml");
  if (!existsSync(file)) {
    // Docker's layout: certificates alone.
    const tls = certificatesIn(directory);
    if (Object.keys(tls).length === 0) return undefined;
    return [{ url: "", capabilities: CAPABILITIES, options: { tls } }];
  }
  const { server, host = {}, ...own } = parse(file);
  const hosts = Object.entries(host).map(([name, entry]) => hostOf(directory, file, name, entry, domain));
  if (server === undefined) {
    const tls = tlsOf(directory, file, own);
    // The registry itself, as its name says.
    return [
      ...hosts,
      { url: "", capabilities: own.capabilities ?? CAPABILITIES, options: tls ? { tls } : {} },
    ];
  }
  return [...hosts, hostOf(directory, file, server, own, domain)];
}
