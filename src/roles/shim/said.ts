import { ServiceError } from "../../wire/containerd/services.ts";

/** The runtime's own words, put as containerd's shim puts them. */
export function said(what: string, error: unknown): ServiceError {
  return new ServiceError("Unknown", `${what}: ${(error as Error).message}`, { cause: error });
}
