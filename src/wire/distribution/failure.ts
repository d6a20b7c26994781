// What goes wrong between us and a registry, in the words of Docker and Go's HTTP client: scripts match them.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { ServiceError } from "../containerd/services.ts";
import { familiarName, familiarString, type Reference } from "./reference.ts";

/** One entry of a registry's error body. distribution-spec "Error Codes". */
interface RegistryErrorEntry {
  code: string;
  message: string;
}

function entriesOf(body: string): RegistryErrorEntry[] {
  try {
    const { errors, details } = JSON.parse(body) as { errors?: unknown; details?: unknown };
    // Docker Hub's token service says {"details": "incorrect username or password"}.
    if (typeof details === "string") return [{ code: "UNAUTHORIZED", message: details }];
    if (!Array.isArray(errors)) return [];
    return errors.flatMap((entry: { code?: unknown; message?: unknown } | null) =>
      typeof entry?.code === "string" ? [{ code: entry.code, message: String(entry.message ?? "") }] : [],
    );
  } catch {
    return [];
  }
}

/** "manifest unknown: manifest unknown" */
const words = ({ code, message }: RegistryErrorEntry) =>
  `${code.toLowerCase().replaceAll("_", " ")}: ${message || "unknown error"}`;

/** A refusal by the registry as the error that Docker makes of it. `about` is what was asked for. */
export function refusal(
  status: number,
  body: string,
  reference: Reference,
  about: string,
  verb: "pull" | "push" = "pull",
): ServiceError {
  const entries = entriesOf(body);
  const first = entries[0];
  const text = entries.length > 0 ? entries.map(words).join("\n") : undefined;
  switch (first?.code) {
    case "MANIFEST_UNKNOWN":
      return new ServiceError("NotFound", `manifest for ${familiarString(reference)} not found: ${text}`);
    case "NAME_UNKNOWN":
      return new ServiceError("NotFound", `repository ${familiarName(reference)} not found: ${text}`);
    case "DENIED":
      return verb === "push"
        ? new ServiceError("PermissionDenied", text!)
        : new ServiceError("NotFound", denied(reference, text!));
    case "UNAUTHORIZED":
      return new ServiceError("PermissionDenied", text!);
    case "TOOMANYREQUESTS":
      return new ServiceError("ResourceExhausted", text!);
  }
  if (status === 416) return new ServiceError("OutOfRange", `${about}: requested range is not there`);
  if (status === 404) {
    const why = text ?? "manifest unknown: manifest unknown";
    return about.includes("/manifests/")
      ? new ServiceError("NotFound", `manifest for ${familiarString(reference)} not found: ${why}`)
      : new ServiceError("NotFound", text ?? `${about}: not found`);
  }
  if (status === 401)
    return new ServiceError("PermissionDenied", text ?? "unauthorized: authentication required");
  if (status === 403)
    return new ServiceError("PermissionDenied", text ?? "denied: requested access to the resource is denied");
  if (status === 429) {
    return new ServiceError(
      "ResourceExhausted",
      text ?? "toomanyrequests: too many requests to the registry",
    );
  }
  const seen = body.trim() === "" ? "" : `: ${JSON.stringify(body.trim().slice(0, 200))}`;
  return new ServiceError(
    status >= 500 ? "Unavailable" : "Unknown",
    text ?? `received unexpected HTTP status: ${status} from ${about}${seen}`,
  );
}

const denied = (reference: Reference, cause: string) =>
  `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${cause}`;

const CONNECT: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  ENETUNREACH: "connect: network is unreachable",
  EHOSTUNREACH: "connect: no route to host",
  ETIMEDOUT: "i/o timeout",
};

/** A failed connection as Go's net/http words it: `Get "http://…": dial tcp 127.0.0.1:1: connect: connection refused`. */
export async function connectionFailure(error: unknown, method: string, url: string): Promise<ServiceError> {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const verb = method[0] + method.slice(1).toLowerCase();
  const code = (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  let why: string;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "DNSException") {
    why = `dial tcp: lookup ${host}: ${code === "EAI_AGAIN" ? "Temporary failure in name resolution" : "no such host"}`;
  } else if (typeof code === "string" && code in CONNECT) {
    const address = isIP(host)
      ? host
      : await lookup(host).then(
          (found) => found.address,
          () => host,
        );
    const shown = address.includes(":") ? `[${address}]` : address;
    why = `dial tcp ${shown}:${port || (protocol === "https:" ? "443" : "80")}: ${CONNECT[code]}`;
  } else if (code === "EPROTO") {
    why = "http: server gave HTTP response to HTTPS client";
  } else if (typeof code === "string" && /CERT|SIGNED|ISSUER|ALTNAME/.test(code)) {
    why = `tls: failed to verify certificate: x509: ${message}`;
  } else {
    why = message;
  }
  return new ServiceError("Unavailable", `${verb} ${JSON.stringify(url)}: ${why}`, { cause: error });
}
