// The pulling side of a containerd's transfer service behind a socket (containerd 1.7 and later have it).
import type { Client } from "@grpc/grpc-js";
import { StreamInitSchema, Streaming } from "../../gen/services/streaming_pb.ts";
import { Transfer as PbTransfer } from "../../gen/services/transfer_pb.ts";
import {
  AuthResponseSchema,
  AuthType,
  ImageStoreSchema,
  OCIRegistrySchema,
  ProgressSchema,
} from "../../gen/types/transfer_pb.ts";
import { platformInit } from "../convert.ts";
import { type Images, type RegistryAuth, ServiceError, type Transfer } from "../services.ts";
import { packed, progressOf, unpacked } from "../transfer.ts";
import { caller } from "./caller.ts";

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

  return {
    async pull(ns, request, onProgress) {
      const { auth, platform, snapshotter = "", unpack = true } = request;
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
        };
        const wanted = platform ? [platformInit(platform)] : [];
        await calls.transfer(
          ns,
          {
            source: packed(OCIRegistrySchema, { reference: request.reference, resolver }),
            destination: packed(ImageStoreSchema, {
              name: request.reference,
              platforms: wanted,
              unpacks: unpack ? [{ snapshotter, ...(wanted[0] ? { platform: wanted[0] } : {}) }] : [],
            }),
            options: { progressStream: progress.id },
          },
          request.signal,
        );
        // The server has ended the stream, but what it sent last may still be on its way.
        await Promise.race([told, Bun.sleep(LAST_WORDS)]);
      } finally {
        progress.stream.cancel();
        credentials?.stream.cancel();
        await Promise.all([told, asked]);
      }
      return images.get(ns, request.reference);
    },
  };
}
