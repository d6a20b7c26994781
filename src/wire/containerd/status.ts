// ServiceError and gRPC's status, both ways. Real containerd's messages end with their class ("…: not found") and so do ours.
import { errorOf as fromStatus, statusOf as toStatus } from "../ttrpc/status.ts";
import { ServiceError } from "./services.ts";

/** What grpc-js wants from a handler that failed. */
export function statusOf(error: unknown): { code: number; details: string } {
  const { code, message } = toStatus(error);
  return { code, details: message };
}

/** What a caller gets for a call that failed. */
export function errorOf(error: unknown): Error {
  if (error instanceof ServiceError) return error;
  const { code, details } = (error ?? {}) as { code?: unknown; details?: unknown };
  if (typeof code !== "number" || typeof details !== "string") {
    return error instanceof Error ? error : new Error(String(error));
  }
  return fromStatus({ code, message: details });
}
