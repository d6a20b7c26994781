// What each prune command asks, sends and tells; `system prune` runs them one after another.
import type { Cli } from "../cli.ts";

export interface PruneOptions {
  all: boolean;
  /** --filter KEY=VALUE, with those of config.json. */
  filters: readonly string[];
  /** `builder prune --keep-storage`, bytes. */
  keepStorage?: number;
}

export interface Pruned {
  /** The list of what went, or nothing. */
  text: string;
  /** Bytes; undefined where the engine does not count them. */
  reclaimed?: number;
}

export interface PruneKind {
  /** Name in "… prune has been cancelled" and in the paths. */
  name: "container" | "network" | "volume" | "image" | "builder";
  /** The line in `system prune`'s question. */
  line(all: boolean): string;
  /** The question of the command itself. */
  question(all: boolean): string;
  run(cli: Cli, options: PruneOptions): Promise<Pruned>;
}

const SURE = "Are you sure you want to continue?";

/** The filters' JSON: {"label":{"a":true}}; undefined for none. */
export function pruneQuery(filters: readonly string[]): string | undefined {
  const map: Record<string, Record<string, true>> = {};
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    const key = filter.slice(0, equals).trim().toLowerCase();
    map[key] = { ...map[key], [filter.slice(equals + 1).trim()]: true };
  }
  const keys = Object.keys(map).sort();
  return keys.length === 0
    ? undefined
    : JSON.stringify(Object.fromEntries(keys.map((key) => [key, map[key]])));
}

const list = (title: string, lines: readonly string[]) =>
  lines.length === 0 ? "" : `${title}:\n${lines.map((line) => `${line}\n`).join("")}`;

interface Report {
  ContainersDeleted?: string[] | null;
  NetworksDeleted?: string[] | null;
  VolumesDeleted?: string[] | null;
  ImagesDeleted?: { Untagged?: string; Deleted?: string }[] | null;
  CachesDeleted?: string[] | null;
  SpaceReclaimed?: number;
}

const post = (cli: Cli, path: string, filters: readonly string[]): Promise<Report> =>
  cli.client.json<Report>("POST", path, { query: { filters: pruneQuery(filters) } });

export const containers: PruneKind = {
  name: "container",
  line: () => "all stopped containers",
  question: () => `WARNING! This will remove all stopped containers.\n${SURE}`,
  async run(cli, { filters }) {
    const report = await post(cli, "/containers/prune", filters);
    return {
      text: list("Deleted Containers", report.ContainersDeleted ?? []),
      reclaimed: report.SpaceReclaimed ?? 0,
    };
  },
};

export const networks: PruneKind = {
  name: "network",
  line: () => "all networks not used by at least one container",
  question: () =>
    `WARNING! This will remove all custom networks not used by at least one container.\n${SURE}`,
  async run(cli, { filters }) {
    const report = await post(cli, "/networks/prune", filters);
    return { text: list("Deleted Networks", report.NetworksDeleted ?? []) };
  },
};

export const volumes: PruneKind = {
  name: "volume",
  line: () => "all anonymous volumes not used by at least one container",
  question: (all) =>
    `WARNING! This will remove ${all ? "all" : "anonymous"} local volumes not used by at least one container.\n${SURE}`,
  async run(cli, { all, filters }) {
    const report = await post(cli, "/volumes/prune", all ? [...filters, "all=true"] : filters);
    return {
      text: list("Deleted Volumes", report.VolumesDeleted ?? []),
      reclaimed: report.SpaceReclaimed ?? 0,
    };
  },
};

export const images: PruneKind = {
  name: "image",
  line: (all) =>
    all ? "all images without at least one container associated to them" : "all dangling images",
  question: (all) =>
    all
      ? `WARNING! This will remove all images without at least one container associated to them.\n${SURE}`
      : `WARNING! This will remove all dangling images.\n${SURE}`,
  async run(cli, { all, filters }) {
    const report = await post(cli, "/images/prune", [...filters, `dangling=${!all}`]);
    const lines = (report.ImagesDeleted ?? []).map(({ Untagged, Deleted }) =>
      Untagged ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
    );
    return { text: list("Deleted Images", lines), reclaimed: report.SpaceReclaimed ?? 0 };
  },
};

export const buildCache: PruneKind = {
  name: "builder",
  line: (all) => (all ? "all build cache" : "unused build cache"),
  question: (all) => `WARNING! This will remove all ${all ? "" : "dangling "}build cache. ${SURE}`,
  async run(cli, { all, filters, keepStorage }) {
    const report = await cli.client.json<Report>("POST", "/build/prune", {
      query: {
        all: all || undefined,
        filters: pruneQuery(filters) ?? "",
        "keep-storage": keepStorage || undefined,
      },
    });
    return {
      text: list("Deleted build cache objects", report.CachesDeleted ?? []),
      reclaimed: report.SpaceReclaimed ?? 0,
    };
  },
};
