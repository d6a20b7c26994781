// `--user name|uid[:group|gid]` and --group-add, looked up in the image's own /etc/passwd and /etc/group. man 5 passwd, group.
import { badRequest } from "../errors.ts";

export interface ContainerUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  /** From passwd; "/" when the user is not there. */
  home: string;
}

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

/** Largest id that the kernel takes (the one above means "no change"). */
const MAX_ID = 2 ** 31 - 1;

function lines(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

function parsePasswd(text: string): PasswdEntry[] {
  return lines(text)
    .map(([name = "", , uid = "", gid = "", , home = ""]) => ({
      name,
      uid: Number.parseInt(uid, 10),
      gid: Number.parseInt(gid, 10),
      home,
    }))
    .filter((entry) => Number.isInteger(entry.uid));
}

function parseGroup(text: string): GroupEntry[] {
  return lines(text)
    .map(([name = "", , gid = "", members = ""]) => ({
      name,
      gid: Number.parseInt(gid, 10),
      members: members.split(",").filter((member) => member !== ""),
    }))
    .filter((entry) => Number.isInteger(entry.gid));
}

function asId(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw badRequest(`uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

/**
 * Resolves a user and extra groups.
 * @param spec "", "name", "1000", "name:group", "1000:1000"
 * @param passwd content of /etc/passwd, "" when there is none; likewise `group`
 * @throws ApiError 400 "unable to find user x: no matching entries in passwd file"
 */
export function resolveUser(
  spec: string,
  groupAdd: readonly string[],
  passwd: string,
  group: string,
): ContainerUser {
  const users = parsePasswd(passwd);
  const groups = parseGroup(group);
  const colon = spec.indexOf(":");
  const userPart = colon < 0 ? spec : spec.slice(0, colon);
  const groupPart = colon < 0 ? "" : spec.slice(colon + 1);

  // A name wins over a number: someone may have called a user "1000".
  const named = users.find((entry) => entry.name === userPart);
  const number = userPart === "" ? 0 : asId(userPart);
  const entry = named ?? users.find((candidate) => candidate.uid === number);
  if (!entry && number === undefined) {
    throw badRequest(`unable to find user ${userPart}: no matching entries in passwd file`);
  }
  const uid = entry?.uid ?? number ?? 0;
  let gid = entry?.gid ?? 0;
  const additional: number[] = [];
  if (groupPart !== "") {
    const found = groups.find((candidate) => candidate.name === groupPart);
    const id = found?.gid ?? asId(groupPart);
    if (id === undefined) {
      throw badRequest(`unable to find group ${groupPart}: no matching entries in group file`);
    }
    gid = id;
  } else if (entry) {
    for (const candidate of groups) {
      if (candidate.members.includes(entry.name)) additional.push(candidate.gid);
    }
  }
  for (const wanted of groupAdd) {
    const found = groups.find((candidate) => candidate.name === wanted);
    const id = found?.gid ?? asId(wanted);
    if (id === undefined) throw badRequest(`Unable to find group ${wanted}`);
    additional.push(id);
  }
  return { uid, gid, additionalGids: [...new Set([gid, ...additional])], home: entry?.home || "/" };
}
