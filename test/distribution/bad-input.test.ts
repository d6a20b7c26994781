// Registries that lie, break or send rubbish: a clear error each, and nothing left behind.
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { MediaType } from "../../src/spec/oci/image.ts";
import type { PullRequest } from "../../src/wire/containerd/services.ts";
import { cut, digestOf, FakeRegistry, type Layer, layer } from "./fake-registry.ts";
import { Ground, NS } from "./ground.ts";

const root = process.getuid?.() === 0;
const good = () => layer([{ name: "f", data: "content ".repeat(100_000) }], "none");

interface Case {
  what: string;
  set(registry: FakeRegistry): void;
  error: RegExp;
  code: string;
  request?: Partial<PullRequest>;
}

const withLayer = (one: Layer) => (registry: FakeRegistry) => void registry.image("latest", [good(), one]);

/** The registry's copy of a blob is another than its digest says. */
function corrupt(registry: FakeRegistry, change: (bytes: Buffer) => Uint8Array): void {
  const one = good();
  registry.image("latest", [one]);
  const bytes = Buffer.from(one.bytes);
  registry.blobs.set(digestOf(one.bytes), change(bytes));
}

const manifestOf = (
  registry: FakeRegistry,
  change: (manifest: Record<string, unknown>) => Record<string, unknown>,
) => void registry.image("latest", [good()], { manifest: change });

const cases: Case[] = [
  {
    what: "a wrong digest",
    set: (registry) =>
      corrupt(registry, (bytes) => {
        bytes[2000] = 0;
        return bytes;
      }),
    error: /^filesystem layer verification failed for digest sha256:/,
    code: "DataLoss",
  },
  {
    what: "a truncated blob",
    set: (registry) => corrupt(registry, (bytes) => bytes.subarray(0, 5000)),
    error: /is truncated: the registry has 5000 of its [0-9]+ bytes/,
    code: "DataLoss",
  },
  {
    what: "a blob that goes on and on",
    set: (registry) => corrupt(registry, (bytes) => Buffer.concat([bytes, bytes])),
    error: /is longer than the [0-9]+ bytes that its descriptor says/,
    code: "DataLoss",
  },
  {
    what: "a blob that is not there",
    set: (registry) => {
      const one = good();
      registry.image("latest", [one]);
      registry.blobs.delete(digestOf(one.bytes));
    },
    error: /blob unknown/,
    code: "NotFound",
  },
  {
    what: "a layer with ../",
    set: withLayer(layer([{ name: "../../../../tmp/bunker-evil", data: "evil" }])),
    error:
      /failed to extract layer sha256:.*"\.\.\/\.\.\/\.\.\/\.\.\/tmp\/bunker-evil" is outside of the root file system/,
    code: "InvalidArgument",
  },
  {
    what: "a hard link to outside",
    set: withLayer(layer([{ name: "h", type: "link", link: "/etc/passwd" }])),
    error: /hard link to "\/etc\/passwd", which is not in the archive/,
    code: "InvalidArgument",
  },
  {
    what: "a layer that is no tar",
    set: withLayer({
      tar: Buffer.from("no tar"),
      bytes: gzipSync("no tar".repeat(200)),
      mediaType: MediaType.layerGzip,
    }),
    error: /failed to extract layer .*invalid tar header/,
    code: "InvalidArgument",
  },
  {
    what: "a gzip that breaks off",
    set: (registry) => {
      const whole = layer([{ name: "f", data: "x".repeat(100_000) }]);
      withLayer({ ...whole, bytes: whole.bytes.subarray(0, 100) })(registry);
    },
    error: /gzip archive is damaged: unexpected end of file/,
    code: "InvalidArgument",
  },
  {
    what: "a layer other than the config says",
    set: withLayer({ ...good(), tar: Buffer.from("something else") }),
    error: /does not match the image's configuration: its diff ID is sha256:/,
    code: "DataLoss",
  },
  {
    what: "fewer diff IDs than layers",
    set: (registry) =>
      void registry.image("latest", [good()], { config: { rootfs: { type: "layers", diff_ids: [] } } }),
    error: /mismatched image rootfs and manifest layers: 0 diff IDs, 1 layers/,
    code: "InvalidArgument",
  },
  {
    what: "a manifest that is no JSON",
    set: (registry) => void registry.raw("{]", MediaType.manifest, "latest"),
    error: /is no JSON/,
    code: "InvalidArgument",
  },
  {
    what: "a manifest with a size below zero",
    set: (registry) =>
      manifestOf(registry, (m) => ({ ...m, config: { ...(m["config"] as object), size: -1 } })),
    error: /is no valid application\/vnd\.oci\.image\.manifest\.v1\+json: config\.size/,
    code: "InvalidArgument",
  },
  {
    what: "a manifest that is an index as well",
    set: (registry) => manifestOf(registry, (m) => ({ ...m, manifests: [] })),
    error: /ambiguous manifest/,
    code: "InvalidArgument",
  },
  {
    what: "a manifest that says it is an index",
    set: (registry) => manifestOf(registry, (m) => ({ ...m, mediaType: MediaType.index })),
    error: /manifest is no application\/vnd\.oci\.image\.index/,
    code: "InvalidArgument",
  },
  {
    what: "an unknown manifest type",
    set: (registry) =>
      void registry.raw(`{"config":{},"layers":[]}`, "application/vnd.example+json", "latest"),
    error: /unsupported manifest media type and no default available: application\/vnd\.example\+json/,
    code: "InvalidArgument",
  },
  {
    what: "schema 1",
    set: (registry) => void registry.raw(`{"schemaVersion":1}`, MediaType.dockerManifestV1Signed, "latest"),
    error: /schema 1 support has been removed/,
    code: "Unimplemented",
  },
  {
    what: "an unknown layer type",
    set: withLayer({ ...good(), mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" }),
    error: /unsupported layer media type application\/vnd\.cncf\.helm/,
    code: "InvalidArgument",
  },
  {
    what: "a config that is none",
    set: (registry) => void registry.image("latest", [good()], { config: { rootfs: undefined } }),
    error: /is no container image: config sha256:[0-9a-f]+ \(.*\): rootfs/,
    code: "InvalidArgument",
  },
  {
    what: "a manifest larger than 4 MiB",
    set: (registry) => manifestOf(registry, (m) => ({ ...m, annotations: { a: "x".repeat(4 << 20) } })),
    error: /too large: refused/,
    code: "ResourceExhausted",
  },
  {
    what: "a manifest larger than 4 MiB without a length",
    set: (registry) => {
      registry.bend = (request, response) => {
        if (!request.url?.includes("/manifests/")) return;
        response.writeHead(200, { "content-type": MediaType.manifest });
        if (request.method === "HEAD") response.end();
        else response.end(Buffer.alloc(5 << 20, " "));
        return true;
      };
    },
    error: /larger than 4194304 bytes: refused/,
    code: "ResourceExhausted",
  },
  {
    what: "an index in an index in an index …",
    set: (registry) => {
      let inner = registry.image(undefined, [good()]);
      for (let depth = 0; depth < 6; depth++) {
        inner = registry.document(
          {
            schemaVersion: 2,
            mediaType: MediaType.index,
            manifests: [inner],
            annotations: { depth: `${depth}` },
          },
          MediaType.index,
          "latest",
        );
      }
    },
    error: /nested more than 4 deep/,
    code: "InvalidArgument",
  },
  {
    what: "a manifest other than its digest",
    set: (registry) => {
      registry.image("latest", [good()]);
      registry.bend = (request, response) => {
        if (request.method !== "GET" || !request.url?.includes("/manifests/")) return;
        const { bytes } = registry.manifests.get("latest")!;
        const other = Buffer.from(bytes);
        other[bytes.length - 1] = 0x20;
        response.writeHead(200, { "content-type": MediaType.manifest }).end(other);
        return true;
      };
    },
    error: /manifest verification failed for digest sha256:/,
    code: "DataLoss",
  },
  {
    what: "a tag that is not there",
    set: (registry) => void registry.image("other", [good()]),
    error: /^manifest for 127\.0\.0\.1:[0-9]+\/x:latest not found: manifest unknown: manifest unknown$/,
    code: "NotFound",
  },
  {
    what: "a repository that one may not see",
    set: (registry) => {
      registry.bend = (request, response) => {
        if (request.url === "/v2/") return;
        response.writeHead(403).end(
          JSON.stringify({
            errors: [{ code: "DENIED", message: "requested access to the resource is denied" }],
          }),
        );
        return true;
      };
    },
    error:
      /^pull access denied for 127\.0\.0\.1:[0-9]+\/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied$/,
    code: "NotFound",
  },
  {
    what: "an answer that is no registry's",
    set: (registry) => {
      registry.bend = (_request, response) => {
        response.writeHead(418, { "content-type": "text/html" }).end("<h1>teapot</h1>");
        return true;
      };
    },
    error: /received unexpected HTTP status: 418/,
    code: "Unknown",
  },
  {
    what: "a server that always fails",
    set: (registry) => {
      registry.bend = (request, response) => {
        if (!request.url?.includes("/manifests/")) return;
        response.writeHead(503).end();
        return true;
      };
    },
    error: /received unexpected HTTP status: 503/,
    code: "Unavailable",
  },
];

describe.skipIf(!root)("refused, with nothing left (as root)", () => {
  for (const { what, set, error, code, request } of cases) {
    for (const store of [false, true]) {
      test(`${what}${store ? " (through the store)" : ""}`, async () => {
        await using registry = await FakeRegistry.start();
        await using ground = await Ground.open({ store });
        set(registry);
        const failure = await ground.pull(`${registry.address}/x`, request).then(
          () => undefined,
          (caught: unknown) => caught as Error & { code: string },
        );
        expect(failure?.message).toMatch(error);
        expect(failure?.code).toBe(code);
        expect(await ground.leftovers()).toEqual([]);
        expect(await ground.services.images.list(NS)).toEqual([]);
        // And the service goes on: a good image comes in.
        registry.bend = () => undefined;
        registry.image("good", [good()]);
        await ground.pull(`${registry.address}/x:good`);
      });
    }
  }
});

describe.skipIf(!root)("a registry that dies (as root)", () => {
  test("in the middle of a layer: an error, no half snapshot, and the next pull goes on from there", async () => {
    await using ground = await Ground.open();
    const one = good();
    let address: string;
    {
      await using registry = await FakeRegistry.start();
      address = registry.address;
      registry.image("latest", [one]);
      registry.bend = (request, response) => {
        if (!request.url?.includes(digestOf(one.bytes))) return;
        cut(request, response, one.bytes, 300_000);
        void registry.die();
        return true;
      };
      const failure = await ground.pull(`${address}/x`).then(
        () => undefined,
        (error: unknown) => error as Error & { code: string },
      );
      expect(failure?.code).toBe("Unavailable");
      expect(failure?.message).toMatch(
        /^Get "http:\/\/127\.0\.0\.1:[0-9]+\/v2\/x\/blobs\/sha256:[0-9a-f]+": dial tcp 127\.0\.0\.1:[0-9]+: connect: connection refused$/,
      );
    }
    // Only the lease that keeps what came in, which ends by itself.
    const left = await ground.leftovers();
    expect(left.map((line) => line.replace(/-[0-9a-f]+$/, ""))).toEqual(["lease pull-kept"]);
    const [kept] = await ground.services.leases.list(NS);
    expect(kept?.labels["containerd.io/gc.expire"]).toBeDefined();
    expect(await ground.services.snapshots.snapshotter("").list(NS)).toEqual([]);
  });

  test("before it was asked: connection refused at once", async () => {
    const registry = await FakeRegistry.start();
    const { address } = registry;
    await registry.die();
    await using ground = await Ground.open();
    await expect(ground.pull(`${address}/x`)).rejects.toThrow(
      `Get "http://${address}/v2/": dial tcp ${address}: connect: connection refused`,
    );
    await ground.pull(`${address}/x`).catch(() => {});
    expect(await ground.leftovers()).toEqual([]);
  });
});

test("references that are none", async () => {
  if (!root) return;
  await using ground = await Ground.open();
  await expect(ground.pull("x/UPPER")).rejects.toMatchObject({
    code: "InvalidArgument",
    message: "invalid reference format: repository name (x/UPPER) must be lowercase",
  });
  await expect(ground.pull("x:y:z")).rejects.toThrow("invalid reference format");
});
