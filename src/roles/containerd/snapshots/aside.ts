// Layers of one image are unpacked side by side, though each stands on the one below: a snapshot is prepared without a parent, and
// gets it when it is committed (containerd 2.2's "rebase").
import type { Labels, Snapshotter } from "../../../wire/containerd/services.ts";

/** Label of a snapshot that this process is unpacking into: of no use to the next one, which removes it when it starts. */
export const UNPACKING: Labels = { "bunker.internal/unpacking": "true" };

export interface AsideSnapshotter extends Snapshotter {
  /** Resolves when everything that was written into snapshots before is on the disk. */
  sync(): Promise<void>;
  /**
   * As `commit`, for an active snapshot that was prepared without a parent and is synced: it becomes a child of `parent` ("" for
   * none). `implied` are its directories that no entry of the layer names; they become what they are in the layers below.
   */
  commitOnto(
    ns: string,
    name: string,
    key: string,
    onto: { parent: string; implied: readonly string[] },
    labels?: Labels,
  ): Promise<void>;
}

/** Whether it is one of this process's own. */
export const isAside = (snapshotter: Snapshotter): snapshotter is AsideSnapshotter =>
  "commitOnto" in snapshotter && "sync" in snapshotter;
