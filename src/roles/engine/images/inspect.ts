// GET /images/{name}/json and /images/{name}/history
import type { ImageHistoryItem, ImageInspect, ImageRunConfig } from "../../../spec/engine/image.ts";
import { atLeast } from "../server/version.ts";
import { createdAt, targetOf } from "./list.ts";
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

/** Go's zero time: up to API 1.43 an image without a time of creation had this one. */
const NEVER = "0001-01-01T00:00:00Z";

export function inspectImage(image: StoredImage, snapshotter: string, apiVersion: string): ImageInspect {
  const { config } = image;
  const run = config.config ?? {};
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: image.parent,
    Comment: config.history?.at(-1)?.comment ?? "",
    ...(config.created || atLeast(apiVersion, "1.44") ? {} : { Created: NEVER }),
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
    ...(atLeast(apiVersion, "1.48") ? targetOf(image) : {}),
  };
}

/** Newest layer first. Sizes are those of the unpacked layers; ids those of the parents that are still here. */
export function imageHistory(image: StoredImage, all: readonly StoredImage[]): ImageHistoryItem[] {
  const sizes = image.chain.map(({ size }) => size);
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
  for (let i = 0, at: StoredImage | undefined = image; at && i < items.length; i++) {
    items[i] = { ...items[i]!, Id: at.id, Tags: at.repoTags.length > 0 ? at.repoTags : null };
    const { parent }: StoredImage = at;
    at = all.find(({ id }) => id === parent);
  }
  return items;
}
