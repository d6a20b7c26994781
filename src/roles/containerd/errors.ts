// containerd's refusals in containerd's words: Go wraps errdefs' sentinels, so that every text ends with its class.
import { isErrno } from "../../../ffi/errno.ts";
import { ServiceError } from "../../wire/containerd/services.ts";

/** Go's %q for what identifiers, references and labels hold. */
export const quote = (text: string): string => JSON.stringify(text);

export const notFound = (what: string): ServiceError => new ServiceError("NotFound", `${what}: not found`);
export const alreadyExists = (what: string): ServiceError =>
  new ServiceError("AlreadyExists", `${what}: already exists`);
export const invalid = (what: string): ServiceError =>
  new ServiceError("InvalidArgument", `${what}: invalid argument`);
export const precondition = (what: string): ServiceError =>
  new ServiceError("FailedPrecondition", `${what}: failed precondition`);
export const unavailable = (what: string): ServiceError =>
  new ServiceError("Unavailable", `${what}: unavailable`);

/** What the disk (or SQLite on it) refused, as a ServiceError that names what was being done. ServiceErrors pass unchanged. */
export function fromDisk(error: unknown, doing: string): ServiceError {
  if (error instanceof ServiceError) return error;
  const cause = { cause: error };
  if (isErrno(error, "ENOSPC", "EDQUOT", "SQLITE_FULL")) {
    const why = isErrno(error, "EDQUOT") ? "disk quota exceeded" : "no space left on device";
    return new ServiceError("ResourceExhausted", `${doing}: ${why}`, cause);
  }
  return new ServiceError(
    "Internal",
    `${doing}: ${error instanceof Error ? error.message : String(error)}`,
    cause,
  );
}
