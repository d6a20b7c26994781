// `bunker system verify [--repair]`: holds unpacked layers and blobs against what they were. The daemon may run or not: nothing of
// its database is written, and a repaired file takes its place by a rename.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import type { RegistryAuth } from "../../../wire/containerd/services.ts";
import { verify } from "./verify.ts";

const usage = `Usage: bunker system verify [OPTIONS]

Read every unpacked layer and every blob again, and tell what is not as it was.

Options:
      --repair        Bring what is damaged again, from its blob here or from its registry
      --root DIR      Where containerd's data is (default: /var/lib/docker/containerd and /var/lib/containerd)
      --insecure      Take any certificate of a registry, and plain HTTP
      --user NAME:PASSWORD   Credentials for the registries

Exit status: 0 all is well, 1 something is damaged, 2 it could not be told.
`;

const ROOTS = ["/var/lib/docker/containerd", "/var/lib/containerd"];

function authOf(user: string | undefined): RegistryAuth | undefined {
  if (user === undefined) return undefined;
  const colon = user.indexOf(":");
  if (colon < 0) throw new Error("--user needs NAME:PASSWORD");
  return { username: user.slice(0, colon), password: user.slice(colon + 1) };
}

/** `bunker system …` */
export async function main(args: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        repair: { type: "boolean", default: false },
        root: { type: "string", multiple: true },
        insecure: { type: "boolean", default: false },
        user: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help || positionals.length === 0) {
      process.stdout.write(usage);
      return positionals.length === 0 && !values.help ? 2 : 0;
    }
    if (positionals.join(" ") !== "verify")
      throw new Error(`unknown command ${JSON.stringify(positionals.join(" "))}; there is: verify`);
    const roots = values.root ?? ROOTS.filter((root) => existsSync(root));
    if (roots.length === 0) throw new Error(`nothing to verify: neither ${ROOTS.join(" nor ")} is there`);
    const auth = authOf(values.user);
    let left = 0;
    for (const root of roots) {
      left += await verify(root, {
        repair: values.repair,
        registry: { insecure: values.insecure, ...(auth ? { auth } : {}) },
        say: (line) => process.stdout.write(`${line}\n`),
      });
    }
    return left === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`bunker system: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}
