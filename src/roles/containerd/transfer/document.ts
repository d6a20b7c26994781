// The JSON documents that images are made of: read whole from the content store, parsed, refused in words.
import type { z } from "zod";
import { type Descriptor, ServiceError, type Services } from "../../../wire/containerd/services.ts";
import { MANIFEST_LIMIT } from "../../../wire/distribution/resolver.ts";

/** An index in an index in an index … ends here. */
export const MAX_DEPTH = 4;

/** A document of the image, whole. Throws ServiceError: NotFound, ResourceExhausted when larger than `limit` bytes. */
export async function readBlob(
  { services, ns }: { services: Pick<Services, "content">; ns: string },
  digest: string,
  limit = MANIFEST_LIMIT,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of services.content.read(ns, digest)) {
    size += chunk.length;
    if (size > limit)
      throw new ServiceError("ResourceExhausted", `${digest} is too large for an image document`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Throws ServiceError InvalidArgument. */
export function parseJson(bytes: Uint8Array, digest: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (error) {
    throw new ServiceError("InvalidArgument", `${digest} is no JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** What is wrong with a document, for people. */
export const reason = (error: z.ZodError) =>
  error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join(".") || "document"}: ${message}`)
    .join("; ");

/** The document as the schema has it. Throws ServiceError InvalidArgument. */
export function parse<T>(schema: z.ZodType<T>, document: unknown, { digest, mediaType }: Descriptor): T {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new ServiceError("InvalidArgument", `${digest} is no valid ${mediaType}: ${reason(parsed.error)}`);
}
