// The images that are pulled, and a registry that is slow enough for pulls to be met in the middle.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Server } from "bun";
import { chainIds, MediaType } from "../../../src/spec/oci/image.ts";
import { tar } from "../../support/tar.ts";
import { digestOf } from "../suites/ground.ts";

export interface TestImage {
  /** Full reference. */
  name: string;
  /** Of its manifest. */
  digest: string;
  /** Digests of its manifest and config, and of its layers. */
  documents: string[];
  layers: string[];
  /** Chain IDs of its layers. */
  chain: string[];
  /** For each layer a file and the digest of its content. */
  files: { path: string; digest: string }[];
}

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const PIECE = 64 << 10;

/** Some images of three layers; the lowest, which has busybox in it, is the same in all of them. */
export function chaosRegistry(
  count: number,
  layerSize: number,
): { server: Server<undefined>; images: TestImage[] } {
  const blobs = new Map<string, Uint8Array>();
  const put = (mediaType: string, bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layerOf = (path: string, content: Uint8Array, mode: number) => {
    const plain = tar([
      ...(path.includes("/") ? [{ name: "bin/", type: "5" as const }] : []),
      { name: path, content, mode },
    ]);
    const gzip = Buffer.from(gzipSync(plain, { level: 1 }));
    return {
      diffId: digestOf(plain),
      descriptor: put(MediaType.layerGzip, gzip),
      file: { path, digest: digestOf(content) },
    };
  };
  const base = layerOf("bin/busybox", readFileSync("/bin/busybox"), 0o755);
  const manifests = new Map<string, { digest: string; size: number }>();
  const made = Array.from({ length: count }, (_, i) => {
    const layers = [base, ...[1, 2].map((n) => layerOf(`file-${n}`, randomBytes(layerSize), 0o644))];
    const diffIds = layers.map(({ diffId }) => diffId);
    const config = put(
      MediaType.config,
      encode({
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
        os: "linux",
        config: { Cmd: ["/bin/busybox", "sleep", "1000"] },
        rootfs: { type: "layers", diff_ids: diffIds },
      }),
    );
    const descriptors = layers.map(({ descriptor }) => descriptor);
    const manifest = put(
      MediaType.manifest,
      encode({ schemaVersion: 2, mediaType: MediaType.manifest, config, layers: descriptors }),
    );
    manifests.set(`image-${i}:latest`, manifest);
    return {
      name: `image-${i}:latest`,
      digest: manifest.digest,
      documents: [manifest.digest, config.digest],
      layers: descriptors.map(({ digest }) => digest),
      chain: chainIds(diffIds),
      files: layers.map(({ file }) => file),
    };
  });
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      const [, name, kind, what] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(pathname) ?? [];
      if (kind === undefined) return new Response("{}");
      const digest = manifests.get(`${name}:${what}`)?.digest ?? what!;
      const bytes = blobs.get(digest);
      if (!bytes) return new Response("{}", { status: 404 });
      if (kind === "manifests") {
        return new Response(request.method === "HEAD" ? null : bytes, {
          headers: {
            "Content-Type": MediaType.manifest,
            "Content-Length": `${bytes.length}`,
            "Docker-Content-Digest": digest,
          },
        });
      }
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
      return new Response(slowly(bytes.subarray(from)), {
        status: from > 0 ? 206 : 200,
        headers: {
          "Content-Length": `${bytes.length - from}`,
          ...(from > 0 ? { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
        },
      });
    },
  });
  const images = made.map((image) => ({ ...image, name: `127.0.0.1:${server.port}/${image.name}` }));
  return { server, images };
}

function slowly(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + PIECE));
      at += PIECE;
      await Bun.sleep(1);
    },
  });
}
