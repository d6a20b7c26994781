// What every verb gets: the engine at the right address, the user's configuration, the terminal.
import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../version.ts";
import { DEFAULT_HOST, parseHost } from "../../wire/engine/address.ts";
import { EngineClient } from "../../wire/engine/client.ts";
import type { ContextStore } from "./config/contexts.ts";
import { type ConfigFile, configDirectory, readConfig } from "./config/file.ts";
import { ExitError, openError, reason } from "./errors.ts";
import type { Flag, Flags } from "./flags/flagset.ts";
import { writeText } from "./stdio/output.ts";

/** The flags before the verb. */
export const globalFlags: readonly Flag[] = [
  { name: "config", kind: "string", usage: "Directory of the client's configuration", default: "" },
  {
    name: "context",
    short: "c",
    kind: "string",
    usage: "Context to use for the engine's address (overrides DOCKER_HOST)",
  },
  { name: "debug", short: "D", kind: "bool", usage: "Enable debug mode" },
  { name: "host", short: "H", kind: "list", usage: "Daemon socket to connect to" },
  {
    name: "log-level",
    short: "l",
    kind: "string",
    usage: 'Set the logging level ("debug", "info", "warn", "error", "fatal")',
    default: "info",
  },
  { name: "tls", kind: "bool", usage: "Use TLS; implied by --tlsverify" },
  { name: "tlscacert", kind: "string", usage: "Trust certs signed only by this CA" },
  { name: "tlscert", kind: "string", usage: "Path to TLS certificate file" },
  { name: "tlskey", kind: "string", usage: "Path to TLS key file" },
  { name: "tlsverify", kind: "bool", usage: "Use TLS and verify the remote" },
  { name: "version", short: "v", kind: "bool", usage: "Print version information and quit" },
];

function checkReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw openError(path, error);
  }
}

export class Cli {
  #client: EngineClient | undefined;
  #config: ConfigFile | undefined;
  #contexts: ContextStore | undefined;
  /** Where config.json is. */
  readonly directory: string;

  constructor(readonly globals: Flags) {
    this.directory = configDirectory(globals.string("config"));
  }

  /** The user's config.json. */
  get config(): ConfigFile {
    this.#config ??= readConfig(this.directory);
    return this.#config;
  }

  /** The engine. Made at first use, so that help works without one. */
  get client(): EngineClient {
    this.#client ??= new EngineClient({
      host: this.host(),
      tls: this.#tls(),
      version: process.env["DOCKER_API_VERSION"],
      headers: this.config.HttpHeaders,
      userAgent: `Docker-Client/${version} (linux)`,
    });
    return this.#client;
  }

  /** The named contexts. */
  get contexts(): ContextStore {
    this.#contexts ??= new (
      require("./config/contexts.ts") as typeof import("./config/contexts.ts")
    ).ContextStore(this.directory);
    return this.#contexts;
  }

  /** Name of the context in use. */
  get context(): string {
    const { globals } = this;
    if (globals.string("context")) return globals.string("context");
    if (globals.changed("host") || process.env["DOCKER_HOST"]) return "default";
    return process.env["DOCKER_CONTEXT"] || this.config.currentContext || "default";
  }

  /** The engine's address: -H, --context, DOCKER_HOST, DOCKER_CONTEXT, config.json, the default socket. */
  host(): string {
    const hosts = this.globals.list("host");
    if (hosts.length > 1) throw new Error("Specify only one -H");
    if (hosts.length > 0) return this.defaultHost();
    const { context } = this;
    if (context !== "default") {
      const host = this.contexts.read(context).Endpoints.docker?.Host;
      if (!host) throw new Error(`context "${context}" has no docker endpoint`);
      return host;
    }
    return this.defaultHost();
  }

  /** The address of the context "default". */
  defaultHost(): string {
    return this.globals.list("host")[0] ?? (process.env["DOCKER_HOST"] || DEFAULT_HOST);
  }

  /** Throws ExitError when the engine's address makes no sense, before anything is done. */
  checkAddress(): void {
    if (this.globals.changed("host") && this.globals.changed("context")) {
      throw new ExitError(1, "conflicting options: cannot specify both --host and --context");
    }
    try {
      parseHost(this.host());
      const { ca, cert, key } = this.#tls() ?? {};
      for (const path of [ca, cert, key]) if (path !== undefined) checkReadable(path);
    } catch (error) {
      throw new ExitError(1, `Failed to initialize: unable to resolve docker endpoint: ${reason(error)}`);
    }
  }

  out(text: string): void {
    writeText(1, text);
  }

  err(text: string): void {
    writeText(2, text);
  }

  #tls() {
    const { globals, context } = this;
    if (context !== "default") {
      const files = this.contexts.tlsFiles(context)["docker"] ?? [];
      const skip = this.contexts.read(context).Endpoints.docker?.SkipTLSVerify ?? false;
      if (files.length === 0 && !skip) return undefined;
      const own = (name: string) =>
        files.includes(name) ? this.contexts.tlsPath(context, "docker", name) : undefined;
      return { verify: !skip, ca: own("ca.pem"), cert: own("cert.pem"), key: own("key.pem") };
    }
    const verify = globals.changed("tlsverify")
      ? globals.bool("tlsverify")
      : (process.env["DOCKER_TLS_VERIFY"] ?? "") !== "";
    if (!verify && !globals.bool("tls") && !process.env["DOCKER_TLS"]) return undefined;
    const directory = process.env["DOCKER_CERT_PATH"] || this.directory;
    const path = (flag: string, name: string) => globals.string(flag) || join(directory, name);
    const own = (flag: string, name: string) => globals.changed(flag) || existsSync(path(flag, name));
    return {
      verify,
      // Without verification the CA is not even read.
      ...(verify ? { ca: path("tlscacert", "ca.pem") } : {}),
      // A client's own certificate is needed only by engines that ask for one.
      ...(own("tlscert", "cert.pem") ? { cert: path("tlscert", "cert.pem") } : {}),
      ...(own("tlskey", "key.pem") ? { key: path("tlskey", "key.pem") } : {}),
    };
  }
}
