// One container of `docker ps`, as its templates see it.
import type { ContainerSummary } from "../../../spec/engine/container.ts";
import { familiarName, parseReference } from "../../../wire/distribution/reference.ts";
import type { Row } from "../template/table.ts";
import { displayPorts } from "./ports.ts";
import { humanDuration, humanSize } from "./units.ts";
import { ellipsis, goTime, labelText, quote, shortId } from "./words.ts";

export const containerHeaders = {
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Label: "LABEL",
  Labels: "LABELS",
  LocalVolumes: "LOCAL VOLUMES",
  Mounts: "MOUNTS",
  Names: "NAMES",
  Networks: "NETWORKS",
  Platform: "PLATFORM",
  Ports: "PORTS",
  RunningFor: "CREATED",
  Size: "SIZE",
  State: "STATE",
  Status: "STATUS",
} as const;

function imageName(container: ContainerSummary, truncate: boolean): string {
  const { Image: image, ImageID: id } = container;
  if (image === "") return "<no image>";
  if (!truncate) return image;
  if (shortId(id) === shortId(image)) return shortId(id);
  try {
    const reference = parseReference(image);
    // A digest is too long for the column.
    if (reference.digest !== undefined) {
      return familiarName(reference) + (reference.tag === undefined ? "" : `:${reference.tag}`);
    }
  } catch {
    // Not a reference any more; shown as it is.
  }
  return image;
}

function names(list: readonly string[], truncate: boolean): string {
  const plain = list.map((name) => name.replace(/^\//, ""));
  // Names with a slash inside are other containers' links to this one.
  const own = truncate ? plain.find((name) => !name.includes("/")) : undefined;
  return own ?? plain.join(",");
}

/** The row of a container. */
export function containerRow(container: ContainerSummary, truncate: boolean, now = Date.now()): Row {
  const rw = humanSize(container.SizeRw ?? 0, 3);
  const root = container.SizeRootFs ?? 0;
  const mounts = (container.Mounts ?? []).map((mount) => mount.Name || mount.Source);
  return {
    Command: quote(truncate ? ellipsis(container.Command, 20) : container.Command),
    CreatedAt: goTime(container.Created),
    ID: truncate ? shortId(container.Id) : container.Id,
    Image: imageName(container, truncate),
    Label: (name: unknown) => container.Labels?.[String(name)] ?? "",
    Labels: labelText(container.Labels),
    LocalVolumes: String((container.Mounts ?? []).filter((mount) => mount.Driver === "local").length),
    Mounts: mounts.map((name) => (truncate ? ellipsis(name, 15) : name)).join(","),
    Names: names(container.Names ?? [], truncate),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {})
      .sort()
      .join(","),
    Platform: null,
    Ports: displayPorts(container.Ports ?? []),
    RunningFor: `${humanDuration(now / 1000 - container.Created)} ago`,
    Size: root > 0 ? `${rw} (virtual ${humanSize(root, 3)})` : rw,
    State: container.State,
    Status: container.Status,
  };
}
