// `# syntax=`: the image that shall read the Dockerfile. There is one reader here, our own, and it stands in for docker's.
import { InvalidReference, parseReference } from "../../../wire/distribution/reference.ts";
import { badRequest } from "../errors.ts";

// Also in a mirror: registry.example/hub/docker/dockerfile.
const OWN = /(^|\/)docker\/dockerfile(-upstream)?$/;

/** Throws ApiError 400 for a reader that is not docker's. */
export function checkSyntax(syntax: string | undefined): void {
  if (syntax === undefined || syntax === "") return;
  // Arguments may follow the name.
  const [name = ""] = syntax.split(/\s/);
  try {
    if (OWN.test(parseReference(name).path)) return;
  } catch (error) {
    if (!(error instanceof InvalidReference)) throw error;
    throw badRequest(`failed to parse the syntax line's image ${JSON.stringify(name)}: ${error.message}`);
  }
  throw badRequest(
    `the Dockerfile asks to be read by ${name}: this engine runs no frontends but reads docker/dockerfile's syntax itself; take the syntax line away`,
  );
}
