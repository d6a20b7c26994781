// Paths inside an image, as docker joins them: cleaned, absolute, "/" as the root.
import { posix } from "node:path";

/** `path` seen from `directory`. */
export const joinPath = (directory: string, path: string): string => {
  const joined = posix.resolve("/", directory, path);
  return joined === "" ? "/" : joined;
};

/** joinPath, with a slash at the end where `path` had one (COPY's targets mean a directory then). */
export function joinTarget(directory: string, path: string): string {
  const joined = joinPath(directory, path);
  const slash = (path.endsWith("/") || path === "." || path.endsWith("/.")) && joined !== "/";
  return slash ? `${joined}/` : joined;
}
