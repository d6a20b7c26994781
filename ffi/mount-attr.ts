// struct mount_attr of mount_setattr(2).
import { layout } from "./struct.ts";

export const MountAttr = layout({
  c: "struct mount_attr",
  header: "linux/mount.h",
  size: 32,
  fields: { attr_set: [0, "u64"], attr_clr: [8, "u64"], propagation: [16, "u64"], userns_fd: [24, "u64"] },
});
