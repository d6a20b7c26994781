import { ServiceError, type ServiceErrorCode } from "../../../wire/containerd/services.ts";

/** Whether an error is a ServiceError of one of these codes. */
export function hasCode(error: unknown, ...codes: ServiceErrorCode[]): error is ServiceError {
  return error instanceof ServiceError && codes.includes(error.code);
}
