// Why a start failed, as docker says it: text, HTTP status, and the exit code that the client passes on.

import { ServiceError } from "../../../wire/containerd/services.ts";
import { ApiError, badRequest, toApiError } from "../errors.ts";
import { NetworkError } from "../network/types.ts";

const NOT_FOUND = 127;
const NOT_INVOKABLE = 126;
const UNKNOWN = 128;

const MISSING_COMMAND = [
  "executable file not found",
  "no such file or directory",
  "system cannot find the file specified",
  "failed to run runc create/exec call",
];

/** containerd's client says ": unknown" behind an error without a class; docker users know the sentence with it. */
function sentence(error: ServiceError): string {
  const text = error.message.trim();
  return error.code === "Unknown" && !text.endsWith(": unknown") ? `${text}: unknown` : text;
}

function withPrefix(prefix: string, text: string): string {
  return text.startsWith(prefix) ? text : `${prefix}${text}`;
}

/**
 * Runtime errors, moby's way (daemon/errors.go): the command cannot be found (127) or run (126), a mount of the wrong kind (127).
 * @param subject "failed to create task for container: " or "" for an exec
 */
export function runtimeFailure(
  error: ServiceError,
  subject: string,
  otherwise = UNKNOWN,
): { error: ApiError; exitCode: number } {
  const text = withPrefix(subject, sentence(error));
  const lower = text.toLowerCase();
  if (MISSING_COMMAND.some((words) => lower.includes(words))) {
    return { error: badRequest(text), exitCode: NOT_FOUND };
  }
  if (lower.includes("permission denied") || lower.includes("is a directory")) {
    return { error: badRequest(text), exitCode: NOT_INVOKABLE };
  }
  if (lower.includes("not a directory")) {
    return {
      error: badRequest(
        `${text}: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
      ),
      exitCode: NOT_FOUND,
    };
  }
  return { error: new ApiError(500, text, { cause: error }), exitCode: otherwise };
}

/** What a failed start of a container becomes. */
export function startFailure(error: unknown): { error: ApiError; exitCode: number } {
  if (error instanceof ServiceError) {
    const ours = /shim|OCI runtime|task/i.test(error.message);
    return runtimeFailure(error, ours ? "failed to create task for container: " : "");
  }
  if (error instanceof NetworkError) {
    const text = withPrefix("failed to set up container networking: ", error.message);
    return { error: new ApiError(error.status, text, { cause: error }), exitCode: UNKNOWN };
  }
  return { error: toApiError(error), exitCode: UNKNOWN };
}
