import { join } from "node:path";
import { isatty } from "../../../../ffi/terminal.ts";
import { EngineError } from "../../../wire/engine/client.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import {
  type AuthConfig,
  credentials,
  hostOf,
  INDEX_SERVER,
  storeCredentials,
} from "../config/credentials.ts";
import { reason } from "../errors.ts";
import type { Flags } from "../flags/flagset.ts";
import { ask } from "../session/prompt.ts";

function checkFlags(flags: Flags): void {
  if (flags.changed("password-stdin") && flags.changed("password")) {
    throw new Error("conflicting options: cannot specify both --password and --password-stdin");
  }
  if (flags.changed("password-stdin") && !flags.changed("username")) {
    throw new Error("the --password-stdin option requires --username to be set");
  }
  if (flags.changed("username") && flags.string("username") === "") throw new Error("username is empty");
  if (flags.changed("password") && flags.string("password") === "") throw new Error("password is empty");
}

type ServerAuth = AuthConfig & { serveraddress: string };

/** Asks the engine whether the registry takes these; keeps what it gives. Returns its words. */
async function authenticate(cli: Cli, auth: ServerAuth): Promise<string> {
  const { Status: status, IdentityToken: token } = await cli.client.json<{
    Status?: string;
    IdentityToken?: string;
  }>("POST", "/auth", { json: auth });
  const kept: ServerAuth = token ? { ...auth, password: undefined, identitytoken: token } : auth;
  let plain: boolean;
  try {
    plain = await storeCredentials(cli.config, cli.directory, kept);
  } catch (error) {
    throw new Error(`error saving credentials: ${reason(error)}`);
  }
  if (plain) {
    cli.err(`
WARNING! Your credentials are stored unencrypted in '${join(cli.directory, "config.json")}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/

`);
  }
  return status ?? "";
}

async function withStored(cli: Cli, stored: ServerAuth): Promise<string | undefined> {
  cli.err(`Authenticating with existing credentials... [Username: ${stored.username}]\n\n`);
  cli.err("i Info → To login with a different account, run 'docker logout' followed by 'docker login'\n\n\n");
  try {
    return await authenticate(cli, stored);
  } catch (error) {
    const refused = error instanceof EngineError && error.status === 401;
    cli.err(
      refused
        ? "Stored credentials invalid or expired\n"
        : `Login did not succeed, error: ${reason(error)}\n`,
    );
    return undefined;
  }
}

export const login: Command = {
  use: "[OPTIONS] [SERVER]",
  short: "Authenticate to a registry",
  long: "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
  flags: [
    {
      name: "password",
      short: "p",
      kind: "string",
      usage: "Password or Personal Access Token (PAT)",
    },
    {
      name: "password-stdin",
      kind: "bool",
      usage: "Take the Password or Personal Access Token (PAT) from stdin",
    },
    { name: "username", short: "u", kind: "string", usage: "Username" },
  ],
  args: { min: 0, max: 1 },
  async run({ cli, flags, args }) {
    checkFlags(flags);
    let username = flags.string("username");
    let password = flags.string("password");
    if (password !== "") {
      cli.err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    }
    if (flags.bool("password-stdin")) {
      password = (await Bun.stdin.text()).replace(/\r?\n$|\r$/, "");
      if (password.trim() === "") throw new Error("password is empty");
    }
    const [server = ""] = args;
    const hub = server === "" || server === "docker.io";
    const key = hub ? INDEX_SERVER : hostOf(server);
    let suggested = "";
    if (username === "" && password === "") {
      const stored = await credentials(cli.config, key);
      suggested = stored.username ?? "";
      if (stored.username && stored.password) {
        const status = await withStored(cli, { ...stored, serveraddress: key });
        if (status !== undefined) {
          if (status !== "") cli.out(`${status}\n`);
          return 0;
        }
      }
    }
    if ((username === "" || password === "") && !isatty(0)) {
      throw new Error("Error: Cannot perform an interactive login from a non TTY device");
    }
    username = username.trim();
    // The docker CLI would open a page of Docker Hub here; that needs an account of the client's own with its identity service.
    if (hub && username === "" && password === "") {
      cli.err(
        "Login by browser is not available: use your Docker ID and a password or, better, a personal access token.\n",
      );
    }
    if (username === "")
      username = (await ask(suggested ? `Username (${suggested}): ` : "Username: ")) || suggested;
    if (username === "") throw new Error("Error: Non-null Username Required");
    if (password.trim() === "") password = await ask("Password: ", true);
    if (password === "") throw new Error("Error: Password Required");
    const status = await authenticate(cli, { username, password, serveraddress: key });
    if (status !== "") cli.out(`${status}\n`);
    return 0;
  },
};
