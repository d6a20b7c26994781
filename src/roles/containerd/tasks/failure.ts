// A shim's refusal, passed on in containerd's words: Go's errdefs ends each text with its class.
import { ServiceError, type ServiceErrorCode } from "../../../wire/containerd/services.ts";

const CLASS: Readonly<Partial<Record<ServiceErrorCode, string>>> = {
  Unknown: "unknown",
  NotFound: "not found",
  AlreadyExists: "already exists",
  InvalidArgument: "invalid argument",
  FailedPrecondition: "failed precondition",
  Unavailable: "unavailable",
  Unimplemented: "not implemented",
  DeadlineExceeded: "context deadline exceeded",
};

/** The error with what was being done in front of it and its class at the end. */
export function passed(error: unknown, doing?: string): ServiceError {
  const code = error instanceof ServiceError ? error.code : "Unknown";
  const text = `${doing ? `${doing}: ` : ""}${error instanceof Error ? error.message : String(error)}`;
  const suffix = CLASS[code];
  const message = suffix && !text.endsWith(suffix) ? `${text}: ${suffix}` : text;
  return new ServiceError(code, message, { cause: error });
}
