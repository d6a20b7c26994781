// The image that the binary carries: `docker run bunker.internal/hello` works without a network. It is made when it is
// asked for, from the launcher's assembler: one layer with one static program that prints a greeting.
import type { Arch } from "../../ffi/arch/index.ts";
import { assembleHello } from "../launcher/hello.ts";
import { chainIds, MediaType } from "../spec/oci/image.ts";
import { END, encodeHeader, paddingOf } from "../store/tar/encode.ts";
import type { TarEntry } from "../store/tar/entry.ts";
import type { Descriptor } from "../wire/containerd/services.ts";

/** Go's names for the machines that we run on. */
const ARCHITECTURES: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };

export const greeting = `
Hello from Bunker!
This message shows that your installation appears to be working correctly.

To generate this message, one executable took five steps in four roles:
 1. The client asked the engine for a container from the image
    "bunker.internal/hello", which is embedded in the executable.
 2. The engine (dockerd) had containerd unpack the image into a snapshot
    and made a container of it.
 3. containerd started a shim, which keeps the container and its output.
 4. The shim had the runtime (runc) build the namespaces and the root file
    system, and start this program in them.
 5. The program wrote this text; shim and engine carried it to the client,
    which sent it to your terminal.

To try something more ambitious:
 $ docker run -it busybox sh

`;

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const digestOf = (bytes: Uint8Array) =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

/** The program as a layer. All metadata is fixed: the same binary always makes the same digest. */
function layerOf(program: Uint8Array): Uint8Array {
  const entry: TarEntry = {
    name: "hello",
    type: "file",
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: program.length,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    attributes: new Map(),
  };
  return Buffer.concat([encodeHeader(entry), program, Buffer.alloc(paddingOf(program.length)), END]);
}

export interface EmbeddedImage {
  /** The index over both machines. */
  target: Descriptor;
  /** Every blob by its digest. */
  blobs: ReadonlyMap<string, { mediaType: string; bytes: Uint8Array }>;
}

let made: EmbeddedImage | undefined;

/** The embedded image: an index with a manifest for each machine. */
export function helloImage(): EmbeddedImage {
  if (made) return made;
  const blobs = new Map<string, { mediaType: string; bytes: Uint8Array }>();
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  };
  const manifests = (Object.keys(ARCHITECTURES) as Arch[]).map((arch) => {
    const platform = { architecture: ARCHITECTURES[arch], os: "linux" };
    const layer = layerOf(assembleHello(arch, greeting));
    const config = add(
      MediaType.config,
      bytesOf({
        created: "1970-01-01T00:00:00Z",
        ...platform,
        config: { Env: ["PATH=/"], Cmd: ["/hello"], WorkingDir: "/" },
        rootfs: { type: "layers", diff_ids: chainIds([digestOf(layer)]) },
        history: [{ created: "1970-01-01T00:00:00Z", created_by: "bunker" }],
      }),
    );
    const manifest = bytesOf({
      schemaVersion: 2,
      mediaType: MediaType.manifest,
      config,
      layers: [add(MediaType.layer, layer)],
    });
    return { ...add(MediaType.manifest, manifest), platform };
  });
  const target = add(MediaType.index, bytesOf({ schemaVersion: 2, mediaType: MediaType.index, manifests }));
  made = { target, blobs };
  return made;
}
