// A containerd's transfer service behind a socket (containerd 1.7 and later have it).
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@grpc/grpc-js";
import { within } from "../../../within.ts";
import { StreamInitSchema, Streaming } from "../../gen/services/streaming_pb.ts";
import { Transfer as PbTransfer } from "../../gen/services/transfer_pb.ts";
import {
  AuthResponseSchema,
  AuthType,
  ImageExportStreamSchema,
  ImageImportStreamSchema,
  ImageStoreSchema,
  OCIRegistrySchema,
  ProgressSchema,
  type RegistryResolverSchema,
} from "../../gen/types/transfer_pb.ts";
import { platformInit } from "../convert.ts";
import { receiveBytes, sendBytes } from "../flow.ts";
import {
  type Images,
  type PullRequest,
  type RegistryAuth,
  ServiceError,
  type Transfer,
  type TransferProgress,
} from "../services.ts";
import { packed, progressOf, unpacked } from "../transfer.ts";
import { caller } from "./caller.ts";

type Ends = { source: ReturnType<typeof packed>; destination: ReturnType<typeof packed> };

let serial = 0;
/** How long a server that has ended the transfer may take to end its progress, in milliseconds. */
const LAST_WORDS = 2000;

export function remoteTransfer(client: Client, images: Images): Transfer {
  const calls = caller(client, PbTransfer);
  const streaming = caller(client, Streaming);

  /** Opens a stream that the server knows under the returned id. */
  const open = async (ns: string, purpose: string) => {
    const id = `${purpose}-${process.pid}-${Date.now()}-${serial++}`;
    const stream = streaming.stream(ns);
    await stream.send(packed(StreamInitSchema, { id }));
    if (!(await stream.receive())) {
      throw new ServiceError("Unavailable", `stream ${id}: the server ended it at once`);
    }
    return { id, stream };
  };

  const answer = ({ username, password, identityToken }: RegistryAuth) =>
    packed(
      AuthResponseSchema,
      identityToken === undefined
        ? { authType: AuthType.CREDENTIALS, username: username ?? "", secret: password ?? "" }
        : { authType: AuthType.REFRESH, secret: identityToken },
    );

  /** Runs one transfer with its side streams: progress back, credentials when they are asked for. */
  const run = async (
    ns: string,
    request: Pick<PullRequest, "auth" | "insecure" | "hostsDir" | "signal">,
    ends: (resolver: MessageInitShape<typeof RegistryResolverSchema>) => Ends,
    onProgress: ((progress: TransferProgress) => void) | undefined,
  ) => {
    const { auth } = request;
    const progress = await open(ns, "progress");
    const credentials = auth && (await open(ns, "auth"));
    const told = (async () => {
      for (let next = await progress.stream.receive(); next; next = await progress.stream.receive()) {
        const message = unpacked(ProgressSchema, next);
        const one = message && progressOf(message);
        if (one) onProgress?.(one);
      }
    })().catch(() => {});
    const asked = (async () => {
      if (credentials && auth && (await credentials.stream.receive()))
        await credentials.stream.send(answer(auth));
    })().catch(() => {});
    try {
      const resolver = {
        authStream: credentials?.id ?? "",
        defaultScheme: request.insecure ? "http" : "",
        hostDir: request.hostsDir ?? "",
      };
      const options = { progressStream: progress.id };
      await calls.transfer(ns, { ...ends(resolver), options }, request.signal);
      // The server has ended the stream, but what it sent last may still be on its way.
      await within(LAST_WORDS, told);
    } finally {
      progress.stream.cancel();
      credentials?.stream.cancel();
      await Promise.all([told, asked]);
    }
  };

  return {
    async pull(ns, request, onProgress) {
      const { platform, reference, snapshotter = "", unpack = true } = request;
      const wanted = platform ? [platformInit(platform)] : [];
      const ends = (resolver: MessageInitShape<typeof RegistryResolverSchema>): Ends => ({
        source: packed(OCIRegistrySchema, { reference, resolver }),
        destination: packed(ImageStoreSchema, {
          name: reference,
          platforms: wanted,
          unpacks: unpack ? [{ snapshotter, ...(wanted[0] ? { platform: wanted[0] } : {}) }] : [],
        }),
      });
      await run(ns, request, ends, onProgress);
      return images.get(ns, reference);
    },
    async push(ns, request, onProgress) {
      const { platform, reference, image = reference } = request;
      const { target } = await images.get(ns, image);
      const platforms = platform ? [platformInit(platform)] : [];
      const ends = (resolver: MessageInitShape<typeof RegistryResolverSchema>): Ends => ({
        source: packed(ImageStoreSchema, { name: image, platforms }),
        destination: packed(OCIRegistrySchema, { reference, resolver }),
      });
      let pushed: TransferProgress | undefined;
      await run(ns, request, ends, (progress) => {
        if (progress.event === "done") pushed = progress;
        onProgress?.(progress);
      });
      // The last word says what was pushed, which one platform out of an index is another document than the record's.
      if (!pushed?.digest || pushed.digest === target.digest) return target;
      return { mediaType: pushed.mediaType ?? "", digest: pushed.digest, size: pushed.total ?? 0 };
    },
    async *export(ns, { images: names, platform, allPlatforms, skipDockerManifest, signal }) {
      const { id, stream } = await open(ns, "export");
      const [name = "", ...others] = names;
      const call = calls.transfer(
        ns,
        {
          source: packed(ImageStoreSchema, {
            name,
            extraReferences: others.map((other) => ({ name: other })),
          }),
          destination: packed(ImageExportStreamSchema, {
            stream: id,
            platforms: platform ? [platformInit(platform)] : [],
            allPlatforms: allPlatforms ?? false,
            skipCompatibilityManifest: skipDockerManifest ?? false,
          }),
        },
        signal,
      );
      // A refusal ends the stream as well; it is told below.
      call.catch(() => {});
      try {
        yield* receiveBytes(stream);
        await call;
      } finally {
        stream.cancel();
      }
    },
    async import(ns, archive, request = {}, onProgress = () => {}) {
      const { id, stream } = await open(ns, "import");
      const { baseName = "", digests = false, platform, snapshotter = "" } = request;
      const unpack = { snapshotter, ...(platform ? { platform: platformInit(platform) } : {}) };
      const names: string[] = [];
      const sent = sendBytes(stream, archive).then(() => stream.end());
      const ends = (): Ends => ({
        source: packed(ImageImportStreamSchema, { stream: id }),
        destination: packed(ImageStoreSchema, {
          name: request.indexName ?? "",
          extraReferences:
            baseName !== "" || digests ? [{ name: baseName, isPrefix: true, addDigest: digests }] : [],
          unpacks: (request.unpack ?? true) ? [unpack] : [],
        }),
      });
      try {
        const done = run(ns, { signal: request.signal }, ends, (progress) => {
          if (progress.event === "saved" && progress.id) names.push(progress.id);
          onProgress(progress);
        });
        // A source that cannot be read ends the transfer; otherwise the server says when it is done.
        await Promise.race([done, sent.then(() => done)]);
      } finally {
        stream.cancel();
        await sent.catch(() => {});
      }
      return await Promise.all(names.map((name) => images.get(ns, name)));
    },
  };
}
