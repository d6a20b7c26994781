// Names that become parts of paths. containerd: pkg/identifiers.
import { ServiceError } from "../../wire/containerd/services.ts";

const VALID = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const MAX = 76;

/** Throws InvalidArgument for what is no container or exec id. */
export function checkIdentifier(id: string): void {
  if (id === "") throw new ServiceError("InvalidArgument", "identifier must not be empty");
  if (id.length > MAX)
    throw new ServiceError(
      "InvalidArgument",
      `identifier ${JSON.stringify(id)} greater than maximum length (${MAX} characters)`,
    );
  if (!VALID.test(id))
    throw new ServiceError("InvalidArgument", `identifier ${JSON.stringify(id)} must match ${VALID.source}`);
}
