// A record of the build cache, as `docker system df -v` shows it.
import type { Row } from "../template/table.ts";
import { humanDuration, humanSize } from "./units.ts";
import { shortId } from "./words.ts";

export interface CacheRecord {
  ID: string;
  Parents?: string[] | null;
  Type: string;
  Description: string;
  InUse: boolean;
  Shared: boolean;
  Size: number;
  CreatedAt: string;
  LastUsedAt?: string | null;
  UsageCount: number;
}

export const buildCacheHeaders = {
  CacheType: "CACHE TYPE",
  CreatedSince: "CREATED",
  Description: "DESCRIPTION",
  ID: "CACHE ID",
  InUse: "IN USE",
  LastUsedSince: "LAST USED",
  Parent: "PARENT",
  Shared: "SHARED",
  Size: "SIZE",
  UsageCount: "USAGE",
} as const;

const ago = (time: string | null | undefined, now: number): string =>
  time ? `${humanDuration((now - Date.parse(time)) / 1000)} ago` : "";

/** Least recently used first. */
export function sortBuildCache(records: readonly CacheRecord[]): CacheRecord[] {
  const used = ({ LastUsedAt: at }: CacheRecord) => (at ? Date.parse(at) : Number.NEGATIVE_INFINITY);
  return [...records].sort((a, b) => used(a) - used(b) || (a.ID < b.ID ? -1 : 1));
}

export function buildCacheRow(record: CacheRecord, truncate: boolean, now = Date.now()): Row {
  const id = truncate ? shortId(record.ID) : record.ID;
  const parents = (record.Parents ?? []).join(", ");
  return {
    CacheType: record.Type,
    CreatedAt: record.CreatedAt,
    CreatedSince: ago(record.CreatedAt, now),
    Description: record.Description,
    ID: record.InUse ? `${id}*` : id,
    InUse: String(record.InUse),
    LastUsedAt: record.LastUsedAt ?? "",
    LastUsedSince: ago(record.LastUsedAt, now),
    Parent: truncate ? shortId(parents) : parents,
    Shared: String(record.Shared),
    Size: humanSize(record.Size, 3),
    UsageCount: String(record.UsageCount),
  };
}
