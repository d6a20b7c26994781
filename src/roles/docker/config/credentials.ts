// Credentials for a registry: a helper program, or config.json itself → the header X-Registry-Auth.
import { childEnvironment } from "../../../self.ts";
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

const hostOf = (key: string): string => key.replace(/^https?:\/\//, "").split("/", 1)[0]!;

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

async function fromHelper(helper: string, key: string): Promise<AuthConfig> {
  const program = `docker-credential-${helper}`;
  let output: string;
  let code: number;
  try {
    const child = Bun.spawn([program, "get"], {
      env: childEnvironment(),
      stdin: new TextEncoder().encode(key),
      stdout: "pipe",
      stderr: "inherit",
    });
    [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  } catch (error) {
    throw new Error(
      `error getting credentials - err: exec: ${JSON.stringify(program)}: ${
        (error as NodeJS.ErrnoException).code === "ENOENT"
          ? "executable file not found in $PATH"
          : String(error)
      }, out: \`\``,
    );
  }
  if (code !== 0) {
    if (output.trim() === "credentials not found in native keychain") return {};
    throw new Error(`error getting credentials - err: exit status ${code}, out: \`${output.trim()}\``);
  }
  const answer = JSON.parse(output) as { ServerURL?: string; Username?: string; Secret?: string };
  return answer.Username === "<token>"
    ? { identitytoken: answer.Secret, serveraddress: key }
    : { username: answer.Username, password: answer.Secret, serveraddress: key };
}

/** What is known for a registry; empty when nothing is. Throws when a helper fails. */
export async function credentials(config: ConfigFile, domain: string): Promise<AuthConfig> {
  const key = credentialKey(domain);
  const helper = config.credHelpers?.[key] ?? config.credHelpers?.[hostOf(key)] ?? config.credsStore;
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
