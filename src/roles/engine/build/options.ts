// The query of POST /build. docs: API reference "Build an image"; names are moby's.
import { z } from "zod";
import { goJson } from "../../../spec/engine/go-json.ts";
import { hostPlatform, normalize, type PlatformSpec, parsePlatform } from "../../../spec/oci/platform.ts";
import { badRequest } from "../errors.ts";
import { clientReference } from "../images/resolve.ts";
import { boolean, integer, type RouteContext } from "../server/request.ts";
import type { GivenArgs } from "./args.ts";

export interface BuildOptions {
  dockerfile: string;
  /** "2": in BuildKit's manner. */
  version: "1" | "2";
  /** The client's session, "" for none. */
  session: string;
  /** Types of what is asked for (`-o`); none for an image. */
  outputs: string[];
  /** Leave stages out that the target does not need. */
  onlyNeeded: boolean;
  /** Checked names. */
  tags: string[];
  remote: string;
  quiet: boolean;
  noCache: boolean;
  cacheFrom: string[];
  pull: boolean;
  /** Remove a step's container when it succeeded; `forceRemove`: whatever became of it. */
  remove: boolean;
  forceRemove: boolean;
  buildArgs: GivenArgs;
  labels: Readonly<Record<string, string>>;
  target: string;
  platform: PlatformSpec;
  /** Set when a platform was asked for. */
  platformText: string | undefined;
  buildId: string;
  /** What every RUN's HostConfig gets. */
  host: Readonly<Record<string, unknown>>;
}

const stringOrNull = z.record(z.string(), z.string().nullable()).nullable();
const stringMap = z.record(z.string(), z.string()).nullable();
const outputList = z
  .array(z.object({ Type: z.string(), Attrs: z.record(z.string(), z.string()).nullish() }))
  .nullable();
const stringList = z.array(z.string()).nullable();
const ulimits = z
  .array(z.object({ Name: z.string(), Hard: z.number().int(), Soft: z.number().int() }))
  .nullable();

function json<T extends z.ZodType>(c: RouteContext, name: string, schema: T): z.output<T> | undefined {
  const text = c.req.query(name);
  if (!text) return undefined;
  const wrong = (why: string): Error => badRequest(`${name} is not valid JSON of the expected kind: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const result = schema.safeParse(value);
  if (!result.success) throw wrong(result.error.issues[0]!.message);
  return result.data;
}

function readPlatform(text: string | undefined): PlatformSpec {
  if (!text) return normalize(hostPlatform);
  try {
    return normalize(parsePlatform(text));
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}

/** Unlike other lists, hosts come as repeated parameters, or as one with commas (API ≤ 1.41 and docker-py). */
function extraHosts(c: RouteContext): string[] {
  return (c.req.queries("extrahosts") ?? []).flatMap((text) => text.split(",")).filter((host) => host !== "");
}

function hostOptions(c: RouteContext): Record<string, unknown> {
  const number = (name: string): number => integer(c.req.query(name), name) ?? 0;
  const text = (name: string): string => c.req.query(name) ?? "";
  const shm = number("shmsize");
  if (shm < 0) throw badRequest("SHM size can not be less than 0");
  if (text("isolation") !== "" && text("isolation") !== "default") {
    throw badRequest(`unsupported isolation: ${JSON.stringify(text("isolation"))}`);
  }
  return {
    CgroupParent: text("cgroupparent"),
    CpuShares: number("cpushares"),
    CpuPeriod: number("cpuperiod"),
    CpuQuota: number("cpuquota"),
    CpusetCpus: text("cpusetcpus"),
    CpusetMems: text("cpusetmems"),
    Memory: number("memory"),
    MemorySwap: number("memswap"),
    Ulimits: json(c, "ulimits", ulimits) ?? null,
    SecurityOpt: json(c, "securityopt", stringList) ?? null,
    ShmSize: shm,
    NetworkMode: text("networkmode"),
    ExtraHosts: extraHosts(c),
  };
}

/** Throws ApiError 400 for what is wrong, 501 for what only BuildKit can. */
export function buildOptions(c: RouteContext): BuildOptions {
  const text = (name: string): string => c.req.query(name) ?? "";
  const version = text("version") || "1";
  if (version !== "1" && version !== "2") throw badRequest(`invalid version ${JSON.stringify(version)}`);
  const outputs = (json(c, "outputs", outputList) ?? []).map(({ Type }) => Type);
  if (version === "1" && outputs.length > 0) throw badRequest("custom outputs need BuildKit (version=2)");
  if (boolean(text("squash"))) throw badRequest("squash is only supported with experimental mode");
  const tags = (c.req.queries("t") ?? []).filter((tag) => tag !== "");
  for (const tag of tags) {
    if (clientReference(tag).digest !== undefined) {
      throw badRequest("build tag cannot contain a digest");
    }
  }
  const remove = c.req.query("rm");
  return {
    version,
    session: text("session"),
    outputs,
    onlyNeeded: version === "2",
    dockerfile: text("dockerfile") || "Dockerfile",
    tags: [...new Set(tags)],
    remote: text("remote"),
    quiet: boolean(text("q")),
    noCache: boolean(text("nocache")),
    cacheFrom: json(c, "cachefrom", stringList) ?? [],
    pull: boolean(text("pull")),
    // BuildKit's steps leave no containers that anybody would see.
    remove: version === "2" || boolean(remove, true),
    forceRemove: version === "2" || boolean(text("forcerm")),
    buildArgs: json(c, "buildargs", stringOrNull) ?? {},
    labels: json(c, "labels", stringMap) ?? {},
    target: text("target"),
    platform: readPlatform(text("platform")),
    platformText: text("platform") || undefined,
    buildId: text("buildid"),
    host: hostOptions(c),
  };
}

const registryConfig = z.record(
  z.string(),
  z.object({
    username: z.string().default(""),
    password: z.string().default(""),
    auth: z.string().default(""),
    email: z.string().default(""),
    serveraddress: z.string().default(""),
    identitytoken: z.string().default(""),
    registrytoken: z.string().default(""),
  }),
);

export type RegistryConfig = z.output<typeof registryConfig>;

/** X-Registry-Config: credentials by registry. What cannot be read counts as none, as it does for dockerd. */
export function readRegistryConfig(header: string | undefined): RegistryConfig {
  if (!header) return {};
  try {
    return goJson(
      registryConfig,
      JSON.parse(Buffer.from(header, "base64url").toString("utf8")),
      "AuthConfig",
    );
  } catch {
    return {};
  }
}
