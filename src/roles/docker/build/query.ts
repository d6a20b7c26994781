// The query of POST /build: what is at its default is not sent.
import type { Query } from "../../../wire/engine/client.ts";
import type { Cli } from "../cli.ts";
import { proxyWords } from "../config/proxies.ts";
import { parseUlimit } from "../create/checks.ts";
import { keyValues } from "../create/files.ts";
import type { Flags } from "../flags/flagset.ts";
import { parsePlatform } from "../flags/platform.ts";

const json = (value: object): string | undefined =>
  Object.keys(value).length > 0 ? JSON.stringify(value) : undefined;

/** A bare NAME that has no value here either is null: the Dockerfile's own default counts. */
function buildArguments(words: readonly string[], proxies: readonly string[]): Record<string, string | null> {
  const given = words.map((word) => {
    const equals = word.indexOf("=");
    return equals < 0 ? ([word, null] as const) : ([word.slice(0, equals), word.slice(equals + 1)] as const);
  });
  return { ...keyValues(proxies), ...Object.fromEntries(given) };
}

/** Throws on a platform that is none. */
export function buildQuery(flags: Flags, dockerfile: string, cli: Cli): Query {
  const text = (name: string) => flags.string(name) || undefined;
  const number = (name: string) => flags.number(name) || undefined;
  const yes = (name: string) => flags.bool(name) || undefined;
  const platform = text("platform");
  if (platform !== undefined) parsePlatform(platform);
  return {
    buildargs: json(buildArguments(flags.list("build-arg"), proxyWords(cli.config, cli.host()))),
    cachefrom: json(flags.list("cache-from")),
    cgroupparent: text("cgroup-parent"),
    cpuperiod: number("cpu-period"),
    cpuquota: number("cpu-quota"),
    cpusetcpus: text("cpuset-cpus"),
    cpusetmems: text("cpuset-mems"),
    cpushares: number("cpu-shares"),
    dockerfile: dockerfile || undefined,
    extrahosts: flags.list("add-host"),
    forcerm: yes("force-rm"),
    isolation: flags.string("isolation") === "default" ? undefined : text("isolation"),
    labels: json(keyValues(flags.list("label"))),
    memory: number("memory"),
    memswap: number("memory-swap"),
    networkmode: flags.string("network") === "default" ? undefined : text("network"),
    nocache: yes("no-cache"),
    platform: platform?.toLowerCase(),
    pull: yes("pull"),
    q: yes("quiet"),
    rm: flags.bool("rm") ? undefined : false,
    securityopt: flags.list("security-opt"),
    shmsize: number("shm-size"),
    squash: yes("squash"),
    t: flags.list("tag"),
    target: text("target"),
    ulimits: json(flags.list("ulimit").map(parseUlimit)),
    version: 1,
  };
}
