// A registry in this process whose every answer a test can bend.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { MediaType } from "../../src/spec/oci/image.ts";
import type { Descriptor } from "../../src/wire/containerd/services.ts";
import { type Member, tarOf } from "../diff/support.ts";

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

/** Answers a request itself (true) or lets the registry answer. */
export type Bend = (request: IncomingMessage, response: ServerResponse) => boolean | undefined;

export interface Layer {
  tar: Uint8Array;
  bytes: Uint8Array;
  mediaType: string;
}

export function layer(members: Member[], compression: "gzip" | "zstd" | "none" = "gzip"): Layer {
  const tar = tarOf(...members);
  if (compression === "none") return { tar, bytes: tar, mediaType: MediaType.layer };
  if (compression === "zstd") return { tar, bytes: zstdCompressSync(tar), mediaType: MediaType.layerZstd };
  return { tar, bytes: gzipSync(tar), mediaType: MediaType.layerGzip };
}

export class FakeRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Uint8Array>();
  /** By tag and by digest. */
  readonly manifests = new Map<string, { mediaType: string; bytes: Uint8Array }>();
  /** "GET /v2/…" of every request, with its Range where it had one. */
  readonly requests: string[] = [];
  readonly headers: IncomingMessage["headers"][] = [];
  bend: Bend = () => undefined;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeRegistry> {
    const server = createServer();
    const registry = new FakeRegistry(server);
    server.on("request", (request, response) => registry.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends it as a crash would: every connection is cut. */
  async die(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
  }

  blob(bytes: Uint8Array, mediaType: string): Descriptor {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  document(value: unknown, mediaType: string, tag?: string): Descriptor {
    return this.raw(typeof value === "string" ? value : JSON.stringify(value), mediaType, tag);
  }

  raw(text: string, mediaType: string, tag?: string): Descriptor {
    const bytes = Buffer.from(text);
    const digest = digestOf(bytes);
    for (const name of tag === undefined ? [digest] : [digest, tag])
      this.manifests.set(name, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** An image of these layers; `change` bends its manifest or config before they are stored. */
  image(
    tag: string | undefined,
    layers: Layer[],
    change: {
      config?: Record<string, unknown>;
      manifest?: (manifest: Record<string, unknown>) => Record<string, unknown>;
      docker?: boolean;
    } = {},
  ): Descriptor {
    const config = this.blob(
      Buffer.from(
        JSON.stringify({
          architecture: process.arch === "arm64" ? "arm64" : "amd64",
          os: "linux",
          config: { Cmd: ["/bin/true"] },
          rootfs: { type: "layers", diff_ids: layers.map(({ tar }) => digestOf(tar)) },
          ...change.config,
        }),
      ),
      change.docker ? MediaType.dockerConfig : MediaType.config,
    );
    const mediaType = change.docker ? MediaType.dockerManifest : MediaType.manifest;
    const manifest = {
      schemaVersion: 2,
      mediaType,
      config,
      layers: layers.map((one) =>
        this.blob(one.bytes, change.docker ? MediaType.dockerLayerGzip : one.mediaType),
      ),
    };
    return this.document(change.manifest?.(manifest) ?? manifest, mediaType, tag);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push([request.method, request.url, request.headers.range].filter(Boolean).join(" "));
    this.headers.push(request.headers);
    if (this.bend(request, response)) return;
    // The bend may have changed it.
    const url = (request.url ?? "").replace(/\?.*$/, "");
    if (url === "/v2/") return void response.end("{}");
    const [, , kind, name] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    const found =
      kind === "manifests"
        ? this.manifests.get(name!)
        : { mediaType: "application/octet-stream", bytes: this.blobs.get(name ?? "") };
    if (!found?.bytes) {
      const code = kind === "manifests" ? "MANIFEST_UNKNOWN" : "BLOB_UNKNOWN";
      const message = kind === "manifests" ? "manifest unknown" : "blob unknown to registry";
      response.writeHead(404, { "content-type": "application/json" });
      return void response.end(JSON.stringify({ errors: [{ code, message }] }));
    }
    this.send(request, response, found.bytes, found.mediaType);
  }

  /** Sends bytes, or the range of them that was asked for. */
  send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, mediaType: string): void {
    const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (from > 0 && from >= bytes.length) return void response.writeHead(416).end();
    const part = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      "content-type": mediaType,
      "content-length": part.length,
      "docker-content-digest": digestOf(bytes),
      ...(from > 0 ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    if (request.method === "HEAD") response.end();
    else response.end(part);
  }
}

/** Sends the first `count` of the bytes asked for and cuts the connection. */
export function cut(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  count: number,
): void {
  const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const part = bytes.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    "content-length": part.length,
    ...(from > 0 ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  response.write(part.subarray(0, count), () => response.destroy());
}
