// Credentials for a registry: a helper program, or config.json itself → the header X-Registry-Auth.
import { childEnvironment } from "../../../self.ts";
import { changeConfig } from "./change.ts";
import type { AuthEntry, ConfigFile } from "./file.ts";

/** Docker Hub's key in config.json. */
export const INDEX_SERVER = "https://index.docker.io/v1/";

export interface AuthConfig {
  username?: string;
  password?: string;
  email?: string;
  serveraddress?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/** The key that a registry has in config.json. */
export const credentialKey = (domain: string): string =>
  domain === "docker.io" || domain === "index.docker.io" ? INDEX_SERVER : domain;

/** "https://r.example/v2/" → "r.example". */
export const hostOf = (key: string): string => key.replace(/^https?:\/\//, "").split("/", 1)[0]!;

function fromEntry(key: string, entry: AuthEntry): AuthConfig {
  const result: AuthConfig = { serveraddress: key };
  if (entry.auth) {
    const text = Buffer.from(entry.auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 1) throw new Error("Invalid auth configuration file");
    result.username = text.slice(0, colon);
    result.password = text.slice(colon + 1).replace(/\0+$/, "");
  }
  for (const name of ["username", "password", "email", "identitytoken", "registrytoken"] as const) {
    if (entry[name]) result[name] = entry[name];
  }
  return result;
}

/** Runs a credential helper. Returns its exit code and output. Throws when there is no such program. */
async function helperCall(
  helper: string,
  action: "get" | "store" | "erase" | "list",
  input: string,
): Promise<{ code: number; output: string }> {
  const program = `docker-credential-${helper}`;
  try {
    const child = Bun.spawn([program, action], {
      env: childEnvironment(),
      stdin: new TextEncoder().encode(input),
      stdout: "pipe",
      stderr: "inherit",
    });
    const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return { code, output: output.trim() };
  } catch (error) {
    const words =
      (error as NodeJS.ErrnoException).code === "ENOENT"
        ? "executable file not found in $PATH"
        : String(error);
    throw new Error(`${VERBS[action]} - err: exec: ${JSON.stringify(program)}: ${words}, out: \`\``);
  }
}

const VERBS = {
  get: "error getting credentials",
  store: "error storing credentials",
  erase: "error erasing credentials",
  list: "error listing credentials",
} as const;

async function fromHelper(helper: string, key: string): Promise<AuthConfig> {
  const { code, output } = await helperCall(helper, "get", key);
  if (code !== 0) {
    if (output === "credentials not found in native keychain") return {};
    throw new Error(`${VERBS.get} - err: exit status ${code}, out: \`${output}\``);
  }
  const answer = JSON.parse(output) as { ServerURL?: string; Username?: string; Secret?: string };
  return answer.Username === "<token>"
    ? { identitytoken: answer.Secret, serveraddress: key }
    : { username: answer.Username, password: answer.Secret, serveraddress: key };
}

const helperOf = (config: ConfigFile, key: string): string | undefined =>
  config.credHelpers?.[key] ?? config.credHelpers?.[hostOf(key)] ?? config.credsStore;

/** Keeps what a login gave. Returns whether a password now stands in config.json itself. Throws when a helper fails. */
export async function storeCredentials(
  config: ConfigFile,
  directory: string,
  auth: AuthConfig & { serveraddress: string },
): Promise<boolean> {
  const key = auth.serveraddress;
  const helper = helperOf(config, key);
  if (helper) {
    const secret = auth.identitytoken
      ? { ServerURL: key, Username: "<token>", Secret: auth.identitytoken }
      : { ServerURL: key, Username: auth.username ?? "", Secret: auth.password ?? "" };
    const { code, output } = await helperCall(helper, "store", JSON.stringify(secret));
    if (code !== 0) throw new Error(`${VERBS.store} - err: exit status ${code}, out: \`${output}\``);
  }
  const entry: AuthEntry = helper
    ? {}
    : {
        auth: Buffer.from(`${auth.username ?? ""}:${auth.password ?? ""}`).toString("base64"),
        ...(auth.identitytoken ? { identitytoken: auth.identitytoken } : {}),
      };
  if (JSON.stringify(config.auths?.[key]) === JSON.stringify(entry)) return false;
  changeConfig(directory, (changed) => {
    changed.auths = { ...changed.auths, [key]: entry };
  });
  return !helper && Boolean(auth.password);
}

/** Forgets a registry's credentials. Throws when a helper fails. */
export async function eraseCredentials(config: ConfigFile, directory: string, key: string): Promise<void> {
  const helper = helperOf(config, key);
  if (helper) {
    const { code, output } = await helperCall(helper, "erase", key);
    if (code !== 0) throw new Error(`${VERBS.erase} - err: exit status ${code}, out: \`${output}\``);
  }
  if (config.auths?.[key] === undefined) return;
  changeConfig(directory, (changed) => {
    const { [key]: _gone, ...rest } = changed.auths ?? {};
    changed.auths = rest;
  });
}

/** The credentials of every registry known, by its key: what a build may need. */
export async function allCredentials(config: ConfigFile): Promise<Record<string, AuthConfig>> {
  const keys = new Set([...Object.keys(config.auths ?? {}), ...Object.keys(config.credHelpers ?? {})]);
  if (config.credsStore) {
    try {
      const { code, output } = await helperCall(config.credsStore, "list", "");
      if (code === 0) for (const key of Object.keys(JSON.parse(output || "{}") as object)) keys.add(key);
    } catch {
      // As with the docker CLI: a build goes on without.
    }
  }
  const all: Record<string, AuthConfig> = {};
  for (const key of keys) {
    const helper = helperOf(config, key);
    const auth = helper
      ? await fromHelper(helper, key).catch(() => ({}))
      : fromEntry(key, config.auths![key]!);
    if (Object.keys(auth).length > 0) all[key] = auth;
  }
  return all;
}

/** What is known for a registry; empty when nothing is. Throws when a helper fails. */
export async function credentials(config: ConfigFile, domain: string): Promise<AuthConfig> {
  const key = credentialKey(domain);
  const helper = helperOf(config, key);
  if (helper) return fromHelper(helper, key);
  const auths = config.auths ?? {};
  const entry = auths[key];
  if (entry) return fromEntry(key, entry);
  const found = Object.entries(auths).find(([name]) => hostOf(name) === hostOf(key));
  return found ? fromEntry(key, found[1]) : {};
}

/** The header's value: base64url of the JSON, padded. */
export function encodeAuth(auth: AuthConfig): string {
  return Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
