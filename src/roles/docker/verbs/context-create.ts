// `docker context create` and `update`.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { parseHost } from "../../../wire/engine/address.ts";
import type { Command } from "../command.ts";
import { type ContextStore, checkContextName, type DockerEndpoint, TLS_FILES } from "../config/contexts.ts";
import { openError } from "../errors.ts";
import type { Flag } from "../flags/flagset.ts";
import { parseBool } from "../flags/values.ts";

const KEYS = ["from", "host", "ca", "cert", "key", "skip-tls-verify"];

const long = (verb: "create" | "update", what: string) => `${what}

Docker endpoint config:

NAME                DESCRIPTION
from                Copy named context's Docker endpoint configuration
host                Docker endpoint on which to connect
ca                  Trust certs signed only by this CA
cert                Path to TLS certificate file
key                 Path to TLS key file
skip-tls-verify     Skip TLS certificate validation

Example:

$ docker context ${verb} my-context --description "some description" --docker "host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file"
`;

const flags: readonly Flag[] = [
  { name: "description", kind: "string", usage: "Description of the context" },
  {
    name: "docker",
    kind: "strings",
    shows: "stringToString",
    usage: "set the docker endpoint (default [])",
    check(value) {
      if (!value.includes("=")) throw new Error(`${value} must be formatted as key=value`);
      return value;
    },
  },
];

interface Endpoint {
  endpoint: DockerEndpoint;
  tls: Map<string, Uint8Array>;
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path.replace(/^~(?=\/)/, homedir()));
  } catch (error) {
    throw openError(path, error);
  }
}

function endpointOf(store: ContextStore, words: readonly string[]): Endpoint {
  const config = new Map(
    words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
  );
  const unknown = [...config.keys()].filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) throw new Error(unknown.map((key) => `unrecognized config key: ${key}`).join("\n"));
  const from = config.get("from");
  if (from !== undefined) {
    const endpoint = from === "default" ? undefined : store.read(from).Endpoints.docker;
    if (!endpoint) throw new Error(`unable to get endpoint from context ${JSON.stringify(from)}`);
    return { endpoint, tls: new Map() };
  }
  const tls = new Map<string, Uint8Array>();
  (["ca", "cert", "key"] as const).forEach((key, i) => {
    const path = config.get(key);
    if (path) tls.set(TLS_FILES[i]!, read(path));
  });
  const skip = config.get("skip-tls-verify");
  let skipVerify = false;
  try {
    skipVerify = skip === undefined ? false : parseBool(skip);
  } catch {
    throw new Error(`skip-tls-verify: parsing ${JSON.stringify(skip)}: invalid syntax`);
  }
  const host = config.get("host");
  if (host !== undefined) {
    try {
      parseHost(host, tls.size > 0);
    } catch (error) {
      throw new Error(`invalid docker endpoint options: ${(error as Error).message}`);
    }
  }
  return { endpoint: { ...(host ? { Host: host } : {}), SkipTLSVerify: skipVerify }, tls };
}

function endpointFrom(store: ContextStore, words: readonly string[]): Endpoint {
  try {
    return endpointOf(store, words);
  } catch (error) {
    throw new Error(`unable to create docker endpoint config: ${(error as Error).message}`);
  }
}

/** Throws when a new context may not have this name. */
export function checkFree(store: ContextStore, name: string): void {
  checkContextName(name);
  if (store.has(name)) throw new Error(`context ${JSON.stringify(name)} already exists`);
}

export const createContext: Command = {
  use: "[OPTIONS] CONTEXT",
  short: "Create a context",
  long: long("create", "Create a context"),
  flags: [...flags, { name: "from", kind: "string", usage: "create context from a named context" }],
  args: { min: 1, max: 1 },
  anyAddress: true,
  async run({ cli, flags: given, args }) {
    const [name = ""] = args;
    const store = cli.contexts;
    checkFree(store, name);
    const description = given.string("description");
    const from = given.string("from") || (given.changed("docker") ? "" : cli.context);
    if (from === "") {
      const { endpoint, tls } = endpointFrom(store, given.list("docker"));
      store.write({
        Name: name,
        Metadata: description ? { Description: description } : {},
        Endpoints: { docker: endpoint },
      });
      store.writeTls(name, "docker", tls);
    } else {
      if (given.list("docker").length > 0) throw new Error("cannot use --docker flag when --from is set");
      const source =
        from === "default"
          ? { Metadata: {}, Endpoints: { docker: { Host: cli.defaultHost(), SkipTLSVerify: false } } }
          : store.read(from);
      store.write({
        Name: name,
        Metadata: { ...source.Metadata, ...(description ? { Description: description } : {}) },
        Endpoints: source.Endpoints,
      });
      for (const [endpoint, files] of Object.entries(store.tlsFiles(from))) {
        store.writeTls(
          name,
          endpoint,
          new Map(files.map((file) => [file, readFileSync(store.tlsPath(from, endpoint, file))])),
        );
      }
    }
    cli.out(`${name}\n`);
    cli.err(`Successfully created context ${JSON.stringify(name)}\n`);
    return 0;
  },
};

export const updateContext: Command = {
  use: "[OPTIONS] CONTEXT",
  short: "Update a context",
  long: long("update", "Update a context"),
  flags,
  args: { min: 1, max: 1 },
  anyAddress: true,
  async run({ cli, flags: given, args }) {
    const [name = ""] = args;
    checkContextName(name);
    const store = cli.contexts;
    const meta = store.read(name);
    if (given.string("description") !== "") meta.Metadata.Description = given.string("description");
    if (given.changed("docker")) {
      const { endpoint, tls } = endpointFrom(store, given.list("docker"));
      meta.Endpoints.docker = endpoint;
      store.write(meta);
      store.writeTls(name, "docker", tls);
    } else store.write(meta);
    cli.out(`${name}\n`);
    cli.err(`Successfully updated context ${JSON.stringify(name)}\n`);
    return 0;
  },
};
