// gRPC status codes, as numbers on the wire and as ServiceError here. grpc: doc/statuscodes.md.
import { ServiceError, type ServiceErrorCode } from "../containerd/services.ts";

const CODES: readonly (ServiceErrorCode | "OK" | "Unauthenticated")[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** The status that an error travels as. What is no ServiceError is Unknown, as in Go's ttrpc. */
export function statusOf(error: unknown): { code: number; message: string } {
  if (error instanceof ServiceError) return { code: CODES.indexOf(error.code), message: error.message };
  return { code: 2, message: error instanceof Error ? error.message : String(error) };
}

/** The error that a status (code ≠ 0) stands for. */
export function errorOf(status: { code: number; message: string }): ServiceError {
  const code = CODES[status.code];
  if (code === undefined || code === "OK" || code === "Unauthenticated")
    return new ServiceError("Unknown", `${status.message} (status code ${status.code})`);
  return new ServiceError(code, status.message);
}
