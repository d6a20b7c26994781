// The transfer service on gRPC: what is moved is told by the types of source and destination.
import type { Server } from "@grpc/grpc-js";
import { Transfer } from "../../gen/services/transfer_pb.ts";
import {
  AuthRequestSchema,
  AuthResponseSchema,
  AuthType,
  type ImageStore,
  ImageStoreSchema,
  type OCIRegistry,
  OCIRegistrySchema,
  ProgressSchema,
  type RegistryResolver,
} from "../../gen/types/transfer_pb.ts";
import { platformOf } from "../convert.ts";
import { type RegistryAuth, ServiceError, type Services, type TransferProgress } from "../services.ts";
import { packed, progressInit, unpacked } from "../transfer.ts";
import type { Call } from "./call.ts";
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

type Sink = (progress: TransferProgress) => void;

async function pull(
  { transfer, images }: Services,
  streams: Streams,
  registry: OCIRegistry,
  store: ImageStore,
  call: Call,
  report: Sink,
): Promise<void> {
  const ns = call.namespace;
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
    report,
  );
  // The pull writes its own labels; what the caller wants besides is added to them.
  if (Object.keys(store.labels).length > 0) {
    await images.update(ns, { ...image, labels: { ...image.labels, ...store.labels } }, ["labels"]);
  }
}

async function push(
  { transfer }: Services,
  streams: Streams,
  store: ImageStore,
  registry: OCIRegistry,
  call: Call,
  report: Sink,
): Promise<void> {
  const [platform] = store.platforms;
  const auth = await credentials(streams, call.namespace, registry.resolver, registry.reference);
  await transfer.push(
    call.namespace,
    {
      reference: registry.reference,
      image: store.name,
      ...(auth ? { auth } : {}),
      ...(platform ? { platform: platformOf(platform) } : {}),
      insecure: registry.resolver?.defaultScheme === "http",
      signal: call.signal,
    },
    report,
  );
}

export function serveTransfer(server: Server, services: Services, streams: Streams): void {
  serveOn(server, Transfer, {
    async transfer({ source, destination, options }, call) {
      const progress = streams.get(call.namespace, options?.progressStream ?? "");
      const report: Sink = (one) => progress?.send(packed(ProgressSchema, progressInit(one)));
      const from = {
        registry: unpacked(OCIRegistrySchema, source),
        store: unpacked(ImageStoreSchema, source),
      };
      const to = {
        registry: unpacked(OCIRegistrySchema, destination),
        store: unpacked(ImageStoreSchema, destination),
      };
      try {
        if (from.registry && to.store) await pull(services, streams, from.registry, to.store, call, report);
        else if (from.store && to.registry)
          await push(services, streams, from.store, to.registry, call, report);
        else {
          throw new ServiceError(
            "Unimplemented",
            `transfer from ${source?.typeUrl ?? "nothing"} to ${destination?.typeUrl ?? "nothing"} is not supported`,
          );
        }
      } finally {
        progress?.end();
      }
      return {};
    },
  });
}
