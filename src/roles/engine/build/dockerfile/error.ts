/** A Dockerfile that cannot be built as it stands; `message` is docker's, with the line where one is known. */
export class DockerfileError extends Error {
  override readonly name = "DockerfileError";
}

/** The error with its line in front, as `docker build` words it. */
export function atLine(line: number, error: unknown): DockerfileError {
  const message = error instanceof Error ? error.message : String(error);
  return new DockerfileError(`dockerfile parse error on line ${line}: ${message}`, { cause: error });
}
