// An image's USER as numbers, by the passwd and group files in its layers.
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Mount } from "../../wire/containerd/services.ts";
import { UsageError } from "./command.ts";

/** The directories that a snapshot's mounts stack, the upper one first. */
function layers(mounts: readonly Mount[]): string[] {
  return mounts.flatMap(({ type, source, options }) => {
    if (type !== "overlay") return [source];
    const option = (name: string) =>
      options
        .find((one) => one.startsWith(`${name}=`))
        ?.slice(name.length + 1)
        .split(":") ?? [];
    return [...option("upperdir"), ...option("lowerdir")];
  });
}

/** Lines of /etc/<name> as the topmost layer has it. A symbolic link is not followed: it could lead out of the layer. */
function database(mounts: readonly Mount[], name: string): string[][] {
  for (const layer of layers(mounts)) {
    const path = join(layer, "etc", name);
    if (lstatSync(join(layer, "etc"), { throwIfNoEntry: false })?.isSymbolicLink()) return [];
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) continue;
    if (!stat.isFile()) return [];
    return readFileSync(path, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  }
  return [];
}

/** "name", "uid", "name:group", "uid:gid" → numbers with the supplementary groups. Throws UsageError for an unknown name. */
export function resolveUser(text: string, mounts: readonly Mount[]) {
  const [user = "", group] = text === "" ? ["0"] : text.split(":");
  const isNumber = (word: string) => /^\d+$/.test(word);
  const entry = database(mounts, "passwd").find(([name, , uid]) =>
    isNumber(user) ? uid === user : name === user,
  );
  if (!entry && !isNumber(user)) throw new UsageError(`no users found for ${JSON.stringify(user)}`);
  const groups = database(mounts, "group");
  let gid = entry ? Number(entry[3]) : 0;
  if (group !== undefined && group !== "") {
    const found = isNumber(group) ? group : groups.find(([name]) => name === group)?.[2];
    if (found === undefined) throw new UsageError(`no groups found for ${JSON.stringify(group)}`);
    gid = Number(found);
  }
  const member = groups.filter((fields) => entry && fields[3]?.split(",").includes(entry[0]!));
  const additionalGids = [...new Set([gid, ...member.map((fields) => Number(fields[2]))])].filter(
    (one) => !Number.isNaN(one),
  );
  return { uid: entry ? Number(entry[2]) : Number(user), gid, additionalGids };
}
