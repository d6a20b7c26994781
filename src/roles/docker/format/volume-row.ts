// A volume in a list.
import type { VolumeInspect } from "../../../spec/engine/volume.ts";
import type { Row } from "../template/table.ts";
import { humanSize } from "./units.ts";
import { labelText } from "./words.ts";

export const volumeHeaders = {
  Availability: "AVAILABILITY",
  Driver: "DRIVER",
  Group: "GROUP",
  Labels: "LABELS",
  Links: "LINKS",
  Mountpoint: "MOUNTPOINT",
  Name: "VOLUME NAME",
  Scope: "SCOPE",
  Size: "SIZE",
  Status: "STATUS",
} as const;

export const volumeRow = (volume: VolumeInspect): Row => ({
  Availability: "N/A",
  Driver: volume.Driver,
  Group: "N/A",
  Label: (name: unknown) => volume.Labels?.[String(name)] ?? "",
  Labels: labelText(volume.Labels),
  Links: volume.UsageData ? String(volume.UsageData.RefCount) : "N/A",
  Mountpoint: volume.Mountpoint,
  Name: volume.Name,
  Scope: volume.Scope,
  Size: volume.UsageData ? humanSize(volume.UsageData.Size) : "N/A",
  Status: "N/A",
});
