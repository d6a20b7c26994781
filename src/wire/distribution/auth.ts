// Authorization for one repository: Basic, or a Bearer token got from the realm that the registry names.
// distribution's docs/spec/auth/{token,oauth}.md
import { type RegistryAuth, ServiceError } from "../containerd/services.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { refusal } from "./failure.ts";
import type { Reference } from "./reference.ts";

/** Sends a request and returns the answer, whatever its status; throws on broken connections. */
export type Send = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string },
) => Promise<Response>;

const CLIENT_ID = "bunker";

const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");

/** Credentials never go in the clear to a host that is not this machine. */
function checkRealm(realm: string, registry: string, credentials: boolean): URL {
  if (!URL.canParse(realm)) throw new ServiceError("Unknown", `invalid token realm ${JSON.stringify(realm)}`);
  const url = new URL(realm);
  const secure = url.protocol === "https:";
  if (!secure && url.protocol !== "http:") {
    throw new ServiceError("Unknown", `unsupported token realm ${JSON.stringify(realm)}`);
  }
  if (!secure && credentials && registry.startsWith("https:")) {
    throw new ServiceError(
      "PermissionDenied",
      `the registry wants credentials sent in the clear to ${realm}`,
    );
  }
  return url;
}

/** What a token is to allow. */
export interface Access {
  /** In the repository itself: "pull", or "pull,push". */
  actions: string;
  /** Repositories of the same registry to read from: blobs are mounted from there. */
  alsoPull?: readonly string[];
}

export class Authorizer {
  #header: string | undefined;

  constructor(
    private readonly send: Send,
    private readonly reference: Reference,
    private readonly credentials: RegistryAuth | undefined,
    private readonly access: Access = { actions: "pull" },
  ) {}

  /** The Authorization header for requests about the repository; undefined while none was asked for. */
  get header(): string | undefined {
    return this.#header;
  }

  /**
   * Answers a 401. Returns whether it is worth asking again.
   * Throws ServiceError when the registry wants credentials that we do not have or that it does not take.
   */
  async answer(response: Response): Promise<boolean> {
    const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer) {
      this.#header = `Bearer ${await this.#token(bearer, response.url)}`;
      return true;
    }
    if (challenges.some(({ scheme }) => scheme === "basic")) {
      const { username, password } = this.credentials ?? {};
      if (username === undefined || password === undefined) {
        throw new ServiceError(
          "PermissionDenied",
          `Get ${JSON.stringify(response.url)}: no basic auth credentials`,
        );
      }
      const header = `Basic ${base64(`${username}:${password}`)}`;
      const changed = header !== this.#header;
      this.#header = header;
      return changed;
    }
    return false;
  }

  async #token({ parameters }: Challenge, registry: string): Promise<string> {
    const { username, password, identityToken } = this.credentials ?? {};
    const known = identityToken !== undefined || (username !== undefined && password !== undefined);
    const url = checkRealm(parameters["realm"] ?? "", registry, known);
    // Without a repository (a login) there is nothing to ask for but whether the credentials are good.
    const scopes =
      this.reference.path === ""
        ? []
        : [
            `repository:${this.reference.path}:${this.access.actions}`,
            ...(this.access.alsoPull ?? []).map((path) => `repository:${path}:pull`),
          ];
    const service = parameters["service"];
    const response = identityToken
      ? await this.#exchange(url, identityToken, scopes, service)
      : await this.#ask(url, scopes, service, username, password);
    const text = await response.text();
    if (!response.ok) throw refusal(response.status, text, this.reference, url.href);
    let token: unknown;
    try {
      const answer = JSON.parse(text) as { token?: unknown; access_token?: unknown };
      token = answer.token || answer.access_token;
    } catch {}
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw new ServiceError(
        "Unknown",
        `authorization server ${url.origin} did not include a token in the response`,
      );
    }
    return token;
  }

  #ask(url: URL, scopes: string[], service: string | undefined, username?: string, password?: string) {
    if (service !== undefined) url.searchParams.set("service", service);
    for (const scope of scopes) url.searchParams.append("scope", scope);
    const headers: Record<string, string> = {};
    if (username !== undefined && password !== undefined) {
      url.searchParams.set("account", username);
      headers["authorization"] = `Basic ${base64(`${username}:${password}`)}`;
    }
    return this.send(url.href, { method: "GET", headers });
  }

  #exchange(url: URL, refreshToken: string, scopes: string[], service: string | undefined) {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      service: service ?? "",
      client_id: CLIENT_ID,
      scope: scopes.join(" "),
      refresh_token: refreshToken,
    });
    return this.send(url.href, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: form.toString(),
    });
  }
}
