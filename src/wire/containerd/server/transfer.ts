// The transfer service on gRPC: what is moved is told by the types of source and destination.
import type { Server } from "@grpc/grpc-js";
import { Transfer } from "../../gen/services/transfer_pb.ts";
import {
  AuthRequestSchema,
  AuthResponseSchema,
  AuthType,
  type ImageExportStream,
  ImageExportStreamSchema,
  type ImageImportStream,
  ImageImportStreamSchema,
  type ImageStore,
  ImageStoreSchema,
  type OCIRegistry,
  OCIRegistrySchema,
  ProgressSchema,
  type RegistryResolver,
} from "../../gen/types/transfer_pb.ts";
import { platformOf } from "../convert.ts";
import { receiveBytes, sendBytes } from "../flow.ts";
import { type RegistryAuth, ServiceError, type Services, type TransferProgress } from "../services.ts";
import { packed, progressInit, unpacked } from "../transfer.ts";
import type { Call } from "./call.ts";
import { serveOn } from "./service.ts";
import type { NamedStream, Streams } from "./streams.ts";

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
      ...(registry.resolver?.hostDir ? { hostsDir: registry.resolver.hostDir } : {}),
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
      ...(registry.resolver?.hostDir ? { hostsDir: registry.resolver.hostDir } : {}),
      signal: call.signal,
    },
    report,
  );
}

function streamOf(streams: Streams, call: Call, id: string): NamedStream {
  const stream = streams.get(call.namespace, id);
  if (!stream) throw new ServiceError("InvalidArgument", "the archive needs a stream: its id is empty");
  return stream;
}

async function exportTo(
  { transfer }: Services,
  streams: Streams,
  store: ImageStore,
  to: ImageExportStream,
  call: Call,
): Promise<void> {
  const stream = streamOf(streams, call, to.stream);
  const [platform] = to.platforms;
  const names = [store.name, ...store.extraReferences.map(({ name }) => name)].filter(Boolean);
  try {
    await sendBytes(
      stream,
      transfer.export(call.namespace, {
        images: names,
        ...(platform && !to.allPlatforms ? { platform: platformOf(platform) } : {}),
        allPlatforms: to.allPlatforms,
        skipDockerManifest: to.skipCompatibilityManifest,
        signal: call.signal,
      }),
    );
  } finally {
    stream.end();
  }
}

async function importFrom(
  { transfer, images }: Services,
  streams: Streams,
  from: ImageImportStream,
  store: ImageStore,
  call: Call,
  report: Sink,
): Promise<void> {
  const ns = call.namespace;
  const stream = streamOf(streams, call, from.stream);
  const [unpack] = store.unpacks;
  const prefix = store.extraReferences.find(({ isPrefix }) => isPrefix);
  const made = await transfer.import(
    ns,
    receiveBytes(stream),
    {
      ...(store.name === "" ? {} : { indexName: store.name }),
      ...(prefix && prefix.name !== "" ? { baseName: prefix.name } : {}),
      digests: prefix?.addDigest ?? false,
      unpack: unpack !== undefined,
      ...(unpack && unpack.snapshotter !== "" ? { snapshotter: unpack.snapshotter } : {}),
      ...(unpack?.platform ? { platform: platformOf(unpack.platform) } : {}),
      signal: call.signal,
    },
    report,
  );
  stream.end();
  if (Object.keys(store.labels).length === 0) return;
  for (const image of made) await images.update(ns, { ...image, labels: store.labels }, ["labels"]);
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
      const imported = unpacked(ImageImportStreamSchema, source);
      const exported = unpacked(ImageExportStreamSchema, destination);
      try {
        if (from.registry && to.store) await pull(services, streams, from.registry, to.store, call, report);
        else if (from.store && to.registry)
          await push(services, streams, from.store, to.registry, call, report);
        else if (from.store && exported) await exportTo(services, streams, from.store, exported, call);
        else if (imported && to.store) await importFrom(services, streams, imported, to.store, call, report);
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
