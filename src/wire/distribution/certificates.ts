// A registry's own certificates, where Docker looks for them: /etc/docker/certs.d/<host>/{*.crt,*.cert,*.key}.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface TlsOptions {
  rejectUnauthorized?: boolean;
  ca?: string[];
  cert?: string;
  key?: string;
}

/** What a directory in Docker's layout holds; empty when it is not there. */
export function certificatesIn(directory: string): TlsOptions {
  if (!existsSync(directory)) return {};
  const options: TlsOptions = {};
  const read = (name: string) => readFileSync(join(directory, name), "utf8");
  for (const name of readdirSync(directory).sort()) {
    if (name.endsWith(".crt")) options.ca = [...(options.ca ?? []), read(name)];
    if (name.endsWith(".cert")) {
      options.cert = read(name);
      options.key = read(name.replace(/\.cert$/, ".key"));
    }
  }
  return options;
}

/** TLS options for a registry host; `insecure` accepts any certificate. */
export function tlsOptions(host: string, insecure: boolean, directory = "/etc/docker/certs.d"): TlsOptions {
  const options: TlsOptions = insecure ? { rejectUnauthorized: false } : {};
  // A host name holds no slash, so the path stays in the directory; "." and ".." are no host names.
  if (host === "." || host === "..") return options;
  return { ...options, ...certificatesIn(join(directory, host)) };
}
