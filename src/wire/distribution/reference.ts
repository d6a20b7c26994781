// Image references exactly as Docker's reference package reads them: "busybox" means docker.io/library/busybox:latest.
// Grammar: github.com/distribution/reference; the error texts are Docker's, callers match them.

/** A reference that cannot be read. `message` is Docker's. */
export class InvalidReference extends Error {
  override readonly name = "InvalidReference";
}

export interface Reference {
  /** Registry host, "docker.io" or "localhost:5000". */
  domain: string;
  /** Repository within it, "library/busybox". */
  path: string;
  tag?: string;
  /** "sha256:…" */
  digest?: string;
}

const domainComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const host = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[(?:[a-fA-F0-9:]+)\\])`;
const domain = `${host}(?::[0-9]+)?`;
const pathComponent = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const path = `${pathComponent}(?:/${pathComponent})*`;
const tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";

const REFERENCE = new RegExp(`^((?:${domain}/)?${path})(?::(${tag}))?(?:@(${digest}))?$`);
const NAME = new RegExp(`^(?:(${domain})/)?(${path})$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

function checkDigest(text: string): void {
  const [algorithm = "", encoded = ""] = text.split(":");
  const length = HEX_LENGTH[algorithm];
  if (length === undefined) throw new InvalidReference("unsupported digest algorithm");
  if (encoded.length !== length) throw new InvalidReference("invalid checksum digest length");
  if (!/^[0-9a-f]+$/.test(encoded)) throw new InvalidReference("invalid checksum digest format");
}

function splitDomain(name: string): [domain: string, rest: string] {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  const named = slash > 0 && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  let registry = named ? first : "docker.io";
  const rest = named ? name.slice(slash + 1) : name;
  if (registry === "index.docker.io") registry = "docker.io";
  return [registry, registry === "docker.io" && !rest.includes("/") ? `library/${rest}` : rest];
}

/**
 * Reads a reference in its familiar or full form, without adding a tag.
 * Throws InvalidReference.
 */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text)) {
    throw new InvalidReference(
      `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const [registry, rest] = splitDomain(text);
  const colon = rest.indexOf(":");
  const remote = colon < 0 ? rest : rest.slice(0, colon);
  if (remote.toLowerCase() !== remote) {
    throw new InvalidReference(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  const match = REFERENCE.exec(`${registry}/${rest}`);
  const name = match && NAME.exec(match[1]!);
  if (!match || !name) throw new InvalidReference("invalid reference format");
  if (name[2]!.length > 255) {
    throw new InvalidReference("repository name must not be more than 255 characters");
  }
  if (match[3] !== undefined) checkDigest(match[3]);
  return { domain: name[1] ?? registry, path: name[2]!, tag: match[2], digest: match[3] };
}

/** Reads a reference; one with neither tag nor digest gets the tag "latest". Throws InvalidReference. */
export function parseTagged(text: string): Reference {
  const reference = parseReference(text);
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: "latest" }
    : reference;
}

/** "docker.io/library/busybox" */
export function fullName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

const suffix = ({ tag, digest }: Reference) =>
  `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;

/** "docker.io/library/busybox:latest": the name of containerd's image records. */
export function formatReference(reference: Reference): string {
  return fullName(reference) + suffix(reference);
}

/** "busybox": the repository as people write it. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== "docker.io") return fullName(reference);
  const [first, second, ...more] = reference.path.split("/");
  return first === "library" && second !== undefined && more.length === 0 ? second : reference.path;
}

/** "busybox:latest": the reference as people write it. */
export function familiarString(reference: Reference): string {
  return familiarName(reference) + suffix(reference);
}
