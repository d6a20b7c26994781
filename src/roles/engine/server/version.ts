// API versions: the prefix of a path, what is served, and docker's words for what is not.
import { specs } from "../../../version.ts";
import { badRequest } from "../errors.ts";

export const API_VERSION: string = specs.engineApi;
export const MIN_API_VERSION: string = specs.engineApiMinimum;

/**
 * What is served all the same, with the answers of the oldest: skopeo up to 1.13 (Debian 12's) asks for 1.22 unless told
 * otherwise, and nothing that it needs has changed since.
 */
const OLDEST = "1.12";

const PREFIX = /^\/v([0-9.]+)(?=\/|$)/;

/** "/v1.43/info" → the version asked for and the rest; without a prefix the newest version is meant. */
export function splitVersion(path: string): { version: string; path: string } {
  const match = PREFIX.exec(path);
  if (!match) return { version: API_VERSION, path };
  return { version: match[1]!, path: path.slice(match[0].length) || "/" };
}

/** Negative, zero or positive, as for sort. Versions are numbers with dots; missing parts count as 0. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] || 0) - (right[i] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function atLeast(version: string, minimum: string): boolean {
  return compareVersions(version, minimum) >= 0;
}

/** Throws ApiError 400 for a version that is not served. */
export function checkVersion(version: string): void {
  if (compareVersions(version, API_VERSION) > 0) {
    throw badRequest(`client version ${version} is too new. Maximum supported API version is ${API_VERSION}`);
  }
  if (compareVersions(version, OLDEST) < 0) {
    throw badRequest(
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
}
