// What went wrong, as an HTTP status and docker's words. Everything that a route throws ends here.
import { ServiceError, type ServiceErrorCode } from "../../wire/containerd/services.ts";
import { NetworkError } from "./network/types.ts";

/** A refusal with its HTTP status; the body is `{"message": message}`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message);
export const forbidden = (message: string): ApiError => new ApiError(403, message);
export const notFound = (message: string): ApiError => new ApiError(404, message);
export const conflict = (message: string): ApiError => new ApiError(409, message);
export const unavailable = (message: string): ApiError => new ApiError(503, message);
export const notImplemented = (message: string): ApiError => new ApiError(501, message);
/** 304: the thing is already as asked (start of a running container). It has no body. */
export const notModified = (): ApiError => new ApiError(304, "");

// moby: daemon/server/httpstatus and containerd's errdefs/errgrpc
const SERVICE_STATUS: Readonly<Record<ServiceErrorCode, number>> = {
  NotFound: 404,
  AlreadyExists: 409,
  InvalidArgument: 400,
  FailedPrecondition: 409,
  Unavailable: 503,
  Unimplemented: 501,
  Aborted: 409,
  Canceled: 499,
  OutOfRange: 400,
  ResourceExhausted: 500,
  PermissionDenied: 403,
  DeadlineExceeded: 504,
  DataLoss: 500,
  Internal: 500,
  Unknown: 500,
};

/** Any thrown value as the API answers it. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof ServiceError) {
    return new ApiError(SERVICE_STATUS[error.code], error.message, { cause: error });
  }
  if (error instanceof NetworkError) return new ApiError(error.status, error.message, { cause: error });
  if (error instanceof Error) return new ApiError(500, error.message, { cause: error });
  return new ApiError(500, String(error));
}

/** The stack of an error that nobody foresaw, for the log; those that carry words for people need none. */
export function unforeseen(error: unknown): { stack?: string } {
  if (error instanceof ApiError || error instanceof ServiceError || error instanceof NetworkError) return {};
  return { stack: (error as Error | undefined)?.stack };
}
