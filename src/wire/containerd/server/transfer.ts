// The transfer service on gRPC, its pulling side: from a registry into the image store.
import type { Server } from "@grpc/grpc-js";
import { Transfer } from "../../gen/services/transfer_pb.ts";
import {
  AuthRequestSchema,
  AuthResponseSchema,
  AuthType,
  ImageStoreSchema,
  OCIRegistrySchema,
  ProgressSchema,
  type RegistryResolver,
} from "../../gen/types/transfer_pb.ts";
import { platformOf } from "../convert.ts";
import { type RegistryAuth, ServiceError, type Services } from "../services.ts";
import { packed, progressInit, unpacked } from "../transfer.ts";
import { serveOn } from "./service.ts";
import type { Streams } from "./streams.ts";

/** The first part of a full reference. */
const hostOf = (reference: string): string => reference.split("/")[0] ?? "";

/** Asks the client for credentials over the stream that it has opened for that. */
async function credentials(
  streams: Streams,
  ns: string,
  resolver: RegistryResolver | undefined,
  reference: string,
): Promise<RegistryAuth | undefined> {
  const stream = streams.get(ns, resolver?.authStream ?? "");
  if (!stream) return undefined;
  stream.send(packed(AuthRequestSchema, { host: hostOf(reference), reference }));
  const answer = unpacked(AuthResponseSchema, await stream.receive());
  stream.end();
  switch (answer?.authType) {
    case AuthType.CREDENTIALS:
      return { username: answer.username, password: answer.secret };
    case AuthType.REFRESH:
      return { identityToken: answer.secret };
    case AuthType.HEADER:
      throw new ServiceError("Unimplemented", "a ready-made Authorization header is not supported");
    default:
      return undefined;
  }
}

export function serveTransfer(server: Server, { transfer, images }: Services, streams: Streams): void {
  serveOn(server, Transfer, {
    async transfer({ source, destination, options }, call) {
      const ns = call.namespace;
      const registry = unpacked(OCIRegistrySchema, source);
      const store = unpacked(ImageStoreSchema, destination);
      if (!registry || !store) {
        throw new ServiceError(
          "Unimplemented",
          `transfer from ${source?.typeUrl ?? "nothing"} to ${destination?.typeUrl ?? "nothing"} is not supported`,
        );
      }
      const progress = streams.get(ns, options?.progressStream ?? "");
      try {
        const [platform] = store.platforms;
        const [unpack] = store.unpacks;
        const auth = await credentials(streams, ns, registry.resolver, registry.reference);
        const image = await transfer.pull(
          ns,
          {
            reference: registry.reference,
            ...(auth ? { auth } : {}),
            ...(platform ? { platform: platformOf(platform) } : {}),
            ...(unpack && unpack.snapshotter !== "" ? { snapshotter: unpack.snapshotter } : {}),
            unpack: unpack !== undefined,
            insecure: registry.resolver?.defaultScheme === "http",
            signal: call.signal,
          },
          (one) => progress?.send(packed(ProgressSchema, progressInit(one))),
        );
        // The pull writes its own labels; what the caller wants besides is added to them.
        const extra = Object.keys(store.labels);
        if (extra.length > 0) {
          const labels = { ...image.labels, ...store.labels };
          await images.update(ns, { ...image, labels }, ["labels"]);
        }
      } finally {
        progress?.end();
      }
      return {};
    },
  });
}
