// A seccomp profile in docker's form (conditions by machine, capability and kernel) → the OCI runtime's flat form.
import { release } from "node:os";
import { z } from "zod";
import type { Seccomp, SeccompRule } from "../../../spec/oci/runtime.ts";
import { badRequest } from "../errors.ts";
import { DEFAULT_PROFILE } from "./seccomp-profile.ts";

const condition = z.object({
  caps: z.array(z.string()).nullish(),
  arches: z.array(z.string()).nullish(),
  minKernel: z.string().nullish(),
});

const argument = z.object({
  index: z.number(),
  value: z.number(),
  valueTwo: z.number().optional(),
  op: z.string(),
});

const profile = z.object({
  defaultAction: z.string(),
  defaultErrnoRet: z.number().optional(),
  architectures: z.array(z.string()).nullish(),
  archMap: z
    .array(z.object({ architecture: z.string(), subArchitectures: z.array(z.string()).nullish() }))
    .nullish(),
  flags: z.array(z.string()).nullish(),
  listenerPath: z.string().optional(),
  listenerMetadata: z.string().optional(),
  syscalls: z
    .array(
      z.object({
        name: z.string().optional(),
        names: z.array(z.string()).nullish(),
        action: z.string(),
        errnoRet: z.number().nullish(),
        args: z.array(argument).nullish(),
        includes: condition.nullish(),
        excludes: condition.nullish(),
      }),
    )
    .nullish(),
});

export type SeccompProfile = z.output<typeof profile>;

type Condition = z.output<typeof condition>;

/** What conditions are held against: Go's name of the machine, the container's capabilities, the running kernel. */
export interface SeccompContext {
  arch: "amd64" | "arm64";
  capabilities: readonly string[];
  kernel?: string;
}

function kernelAtLeast(kernel: string, minimum: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = minimum.split(".").map((part) => Number.parseInt(part, 10));
  return major !== wantedMajor ? major > wantedMajor : minor >= wantedMinor;
}

function included(wanted: Condition | null | undefined, context: SeccompContext): boolean {
  if (!wanted) return true;
  if (wanted.arches?.length && !wanted.arches.includes(context.arch)) return false;
  if (!(wanted.caps ?? []).every((name) => context.capabilities.includes(name))) return false;
  return !wanted.minKernel || kernelAtLeast(context.kernel ?? release(), wanted.minKernel);
}

function excluded(unwanted: Condition | null | undefined, context: SeccompContext): boolean {
  if (!unwanted) return false;
  if (unwanted.arches?.includes(context.arch)) return true;
  if ((unwanted.caps ?? []).some((name) => context.capabilities.includes(name))) return true;
  return Boolean(unwanted.minKernel && kernelAtLeast(context.kernel ?? release(), unwanted.minKernel));
}

const NATIVE = { amd64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" } as const;

/** Resolves a profile's conditions. */
export function resolveProfile(from: SeccompProfile, context: SeccompContext): Seccomp {
  const native = NATIVE[context.arch];
  const mapped = from.archMap?.find((entry) => entry.architecture === native);
  const architectures = from.architectures?.length
    ? from.architectures
    : mapped
      ? [mapped.architecture, ...(mapped.subArchitectures ?? [])]
      : [];
  const syscalls: SeccompRule[] = [];
  for (const rule of from.syscalls ?? []) {
    if (!included(rule.includes, context) || excluded(rule.excludes, context)) continue;
    const names = rule.names?.length ? rule.names : rule.name ? [rule.name] : [];
    if (names.length === 0) continue;
    syscalls.push({
      names: [...names],
      action: rule.action,
      ...(rule.errnoRet === undefined || rule.errnoRet === null ? {} : { errnoRet: rule.errnoRet }),
      ...(rule.args?.length ? { args: rule.args } : {}),
    });
  }
  return {
    defaultAction: from.defaultAction,
    ...(from.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: from.defaultErrnoRet }),
    ...(architectures.length ? { architectures } : {}),
    ...(from.flags?.length ? { flags: from.flags } : {}),
    ...(from.listenerPath ? { listenerPath: from.listenerPath } : {}),
    ...(from.listenerMetadata ? { listenerMetadata: from.listenerMetadata } : {}),
    syscalls,
  };
}

/** A profile's JSON text, as `--security-opt seccomp=` sends it. ApiError 400. */
export function parseProfile(text: string): SeccompProfile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`Decoding seccomp profile failed: ${(error as Error).message}`);
  }
  const parsed = profile.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw badRequest(`Decoding seccomp profile failed: ${issue.path.join(".")}: ${issue.message}`);
}

/** Docker's default profile for these capabilities. */
export function defaultSeccomp(context: SeccompContext): Seccomp {
  return resolveProfile(DEFAULT_PROFILE, context);
}
