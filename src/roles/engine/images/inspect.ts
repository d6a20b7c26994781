// GET /images/{name}/json and /images/{name}/history
import type { ImageHistoryItem, ImageInspect, ImageRunConfig } from "../../../spec/engine/image.ts";
import { chainIds } from "../../../spec/oci/image.ts";
import type { Services } from "../../../wire/containerd/services.ts";
import { atLeast } from "../server/version.ts";
import { createdAt } from "./list.ts";
import type { StoredImage } from "./store.ts";

// What container configs have and image configs do not; shown as zero up to API 1.49.
const CONTAINER_FIELDS: ImageRunConfig = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "",
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

export function inspectImage(image: StoredImage, snapshotter: string, apiVersion: string): ImageInspect {
  const { config } = image;
  const run = config.config ?? {};
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: "",
    Comment: config.history?.at(-1)?.comment ?? "",
    ...(config.created ? { Created: config.created } : {}),
    ...(atLeast(apiVersion, "1.45") ? {} : { Container: "", ContainerConfig: CONTAINER_FIELDS }),
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Config: atLeast(apiVersion, "1.50") ? run : { ...CONTAINER_FIELDS, ...run },
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    ...(config["os.version"] ? { OsVersion: config["os.version"] } : {}),
    Size: image.size,
    ...(atLeast(apiVersion, "1.44") ? {} : { VirtualSize: image.size }),
    GraphDriver: { Name: snapshotter, Data: null },
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: image.taggedAt.toISOString() },
  };
}

/** Newest layer first. Sizes are those of the unpacked layers. */
export async function imageHistory(
  image: StoredImage,
  services: Services,
  namespace: string,
  snapshotter: string,
): Promise<ImageHistoryItem[]> {
  const layers = services.snapshots.snapshotter(snapshotter);
  const chain = chainIds(image.config.rootfs.diff_ids);
  const sizes = await Promise.all(
    chain.map((name) =>
      layers.usage(namespace, name).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  let layer = 0;
  const items = (image.config.history ?? []).map((entry): ImageHistoryItem => {
    const size = entry.empty_layer ? 0 : (sizes[layer++] ?? 0);
    const created = Date.parse(entry.created ?? "");
    return {
      Id: "<missing>",
      Created: Number.isNaN(created) ? 0 : Math.floor(created / 1000),
      CreatedBy: entry.created_by ?? "",
      Tags: null,
      Size: size,
      Comment: entry.comment ?? "",
    };
  });
  if (items.length === 0) {
    items.push({
      Id: "",
      Created: Math.floor(createdAt(image) / 1000),
      CreatedBy: "",
      Tags: null,
      Size: image.size,
      Comment: "",
    });
  }
  items.reverse();
  items[0] = { ...items[0]!, Id: image.id, Tags: image.repoTags.length > 0 ? image.repoTags : null };
  return items;
}
