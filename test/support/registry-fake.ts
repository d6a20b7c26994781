// A registry that misbehaves on purpose: it serves one image, and a test says how it lies about a layer.
import { createHash } from "node:crypto";
import type { Server } from "bun";

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface FakeImage {
  /** The layer's tar, uncompressed. */
  layer: Uint8Array;
  /** What is sent for the layer's blob instead of its bytes. */
  send?: (bytes: Uint8Array) => Uint8Array | ReadableStream<Uint8Array>;
  /** diff_ids of the config; the layer's own by default. */
  diffId?: string;
}

/** Serves images by name on a loopback port of its own. */
export function fakeRegistry(images: Record<string, FakeImage>): Server<undefined> {
  const blobs = new Map<string, { bytes: Uint8Array; send?: FakeImage["send"] }>();
  const manifests = new Map<string, Uint8Array>();
  for (const [name, image] of Object.entries(images)) {
    const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const layer = {
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest: sha256(image.layer),
      size: image.layer.length,
    };
    const config = json({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [image.diffId ?? layer.digest] },
    });
    blobs.set(`${name}:${layer.digest}`, { bytes: image.layer, send: image.send });
    blobs.set(`${name}:${sha256(config)}`, { bytes: config });
    const manifest = json({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: sha256(config),
        size: config.length,
      },
      layers: [layer],
    });
    manifests.set(`${name}:latest`, manifest);
    manifests.set(`${name}:${sha256(manifest)}`, manifest);
  }
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/v2/") return new Response("{}");
      const [, name, kind, what] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(pathname) ?? [];
      if (kind === "manifests") {
        const manifest = manifests.get(`${name}:${what}`);
        if (!manifest) {
          return Response.json(
            { errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] },
            { status: 404 },
          );
        }
        return new Response(request.method === "HEAD" ? null : manifest, {
          headers: {
            "Content-Type": "application/vnd.oci.image.manifest.v1+json",
            "Content-Length": String(manifest.length),
            "Docker-Content-Digest": sha256(manifest),
          },
        });
      }
      const blob = blobs.get(`${name}:${what}`);
      if (!blob)
        return Response.json(
          { errors: [{ code: "BLOB_UNKNOWN", message: "blob unknown" }] },
          { status: 404 },
        );
      return new Response(blob.send ? blob.send(blob.bytes) : blob.bytes);
    },
  });
}
