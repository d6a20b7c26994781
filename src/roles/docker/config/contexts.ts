// The store of contexts below ~/.docker/contexts, in the docker CLI's own layout: both use one.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeAtomic } from "../../../store/atomic.ts";

export interface DockerEndpoint {
  Host?: string;
  SkipTLSVerify: boolean;
}

export interface ContextMetadata {
  Name: string;
  Metadata: { Description?: string } & Record<string, unknown>;
  Endpoints: { docker?: DockerEndpoint } & Record<string, unknown>;
}

/** The file names of an endpoint's TLS material, in the order `docker context inspect` lists them. */
export const TLS_FILES = ["ca.pem", "cert.pem", "key.pem"] as const;

const VALID = "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$";

/** Throws with docker's words when no context may be called so. */
export function checkContextName(name: string): void {
  if (name === "") throw new Error("context name cannot be empty");
  if (name === "default") throw new Error('"default" is a reserved context name');
  if (!new RegExp(VALID).test(name)) {
    throw new Error(
      `context name ${JSON.stringify(name)} is invalid, names are validated against regexp ${JSON.stringify(VALID)}`,
    );
  }
}

export class ContextStore {
  /** `directory`: that of config.json. */
  constructor(readonly directory: string) {}

  #place(kind: "meta" | "tls", name: string): string {
    return join(this.directory, "contexts", kind, new Bun.CryptoHasher("sha256").update(name).digest("hex"));
  }

  /** Where a context's files are, for `inspect`. */
  storage(name: string): { MetadataPath: string; TLSPath: string } {
    return { MetadataPath: this.#place("meta", name), TLSPath: this.#place("tls", name) };
  }

  has(name: string): boolean {
    return existsSync(this.#place("meta", name));
  }

  /** Throws with docker's words when there is none. */
  read(name: string): ContextMetadata {
    const path = join(this.#place("meta", name), "meta.json");
    if (!existsSync(path)) {
      throw new Error(`context "${name}": context not found: open ${path}: no such file or directory`);
    }
    const meta = JSON.parse(readFileSync(path, "utf8")) as Partial<ContextMetadata>;
    return { Name: meta.Name ?? name, Metadata: meta.Metadata ?? {}, Endpoints: meta.Endpoints ?? {} };
  }

  list(): ContextMetadata[] {
    const root = join(this.directory, "contexts", "meta");
    if (!existsSync(root)) return [];
    return readdirSync(root)
      .map((entry) => join(root, entry, "meta.json"))
      .filter((path) => existsSync(path))
      .map((path) => JSON.parse(readFileSync(path, "utf8")) as ContextMetadata);
  }

  write(meta: ContextMetadata): void {
    const place = this.#place("meta", meta.Name);
    mkdirSync(place, { recursive: true, mode: 0o755 });
    writeAtomic(join(place, "meta.json"), JSON.stringify(meta), { mode: 0o644 });
  }

  remove(name: string): void {
    rmSync(this.#place("meta", name), { recursive: true, force: true });
    rmSync(this.#place("tls", name), { recursive: true, force: true });
  }

  /** Endpoint → names of its TLS files. */
  tlsFiles(name: string): Record<string, string[]> {
    const place = this.#place("tls", name);
    if (!existsSync(place)) return {};
    return Object.fromEntries(
      readdirSync(place).map((endpoint) => [endpoint, readdirSync(join(place, endpoint)).sort()]),
    );
  }

  tlsPath(name: string, endpoint: string, file: string): string {
    return join(this.#place("tls", name), endpoint, file);
  }

  /** Replaces all TLS files of one endpoint. */
  writeTls(name: string, endpoint: string, files: ReadonlyMap<string, Uint8Array>): void {
    rmSync(join(this.#place("tls", name), endpoint), { recursive: true, force: true });
    for (const [file, bytes] of files) {
      const path = this.tlsPath(name, endpoint, file);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, bytes, { mode: 0o600 });
    }
  }
}
