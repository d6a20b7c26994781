// Which names containerd takes for namespaces, containers and leases (its pkg/identifiers), and which labels.
import type { Labels } from "../../wire/containerd/services.ts";
import { invalid, precondition, quote } from "./errors.ts";

const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;
const MAX_LENGTH = 76;
const MAX_LABEL = 4096;

/** Throws InvalidArgument with containerd's words. */
export function checkIdentifier(name: string): void {
  if (name === "") throw invalid("identifier must not be empty");
  if (name.length > MAX_LENGTH) {
    throw invalid(`identifier ${quote(name)} greater than maximum length (${MAX_LENGTH} characters)`);
  }
  if (!IDENTIFIER.test(name)) {
    throw invalid(`identifier ${quote(name)} must match ${IDENTIFIER.source}`);
  }
}

/** The namespace that a call acts in. Without one it is FailedPrecondition, as containerd has it. */
export function checkNamespace(ns: string): void {
  if (ns === "") throw precondition("namespace is required");
  checkIdentifier(ns);
}

/** Key and value together may hold 4096 bytes. */
export function checkLabels(labels: Labels): void {
  for (const [key, value] of Object.entries(labels)) {
    const bytes = Buffer.byteLength(key) + Buffer.byteLength(value);
    if (bytes > MAX_LABEL) {
      throw invalid(
        `label key and value length (${bytes} bytes) greater than maximum size (${MAX_LABEL} bytes), key: ${key.slice(0, 64)}`,
      );
    }
  }
}
