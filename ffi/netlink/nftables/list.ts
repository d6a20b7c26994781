// Reading a table back from the kernel.
import * as NFT from "../../constants/nftables.ts";
import { isErrno } from "../../errno.ts";
import { field } from "../../struct.ts";
import { type Attributes, decodeAttributes, type Table } from "../attributes.ts";
import type { NetlinkSocket } from "../socket.ts";
import { type Element, type Hook, messageType, nftMessage, type TableName } from "./messages.ts";
import { chain, elements, Family, rule, set } from "./tables.ts";

function dump(
  socket: NetlinkSocket,
  name: string,
  verb: number,
  answer: number,
  family: number,
  schema: Table,
  filter: Attributes,
): (Attributes & { family: number })[] {
  try {
    return socket
      .dump(nftMessage(name, verb, 0, family, Object.values(filter).join(" "), schema, filter))
      .filter((reply) => reply.type === messageType(answer))
      .map((reply) => ({
        ...decodeAttributes(schema, reply.body.subarray(Family.size)),
        family: field(Family, reply.body, "nfgen_family"),
      }));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

const HOOK_NAMES: Readonly<Record<number, Hook["hook"]>> = {
  [NFT.NF_INET_PRE_ROUTING]: "prerouting",
  [NFT.NF_INET_LOCAL_IN]: "input",
  [NFT.NF_INET_FORWARD]: "forward",
  [NFT.NF_INET_LOCAL_OUT]: "output",
  [NFT.NF_INET_POST_ROUTING]: "postrouting",
};

export interface ChainInfo {
  table: TableName;
  name: string;
  /** Of base chains. */
  hook?: { hook: Hook["hook"]; type: string; priority: number; drops: boolean };
}

/** All chains of this family and, with NFPROTO_UNSPEC (0), of every family. */
export function listChains(socket: NetlinkSocket, family: number): ChainInfo[] {
  return dump(socket, "NFT_MSG_GETCHAIN", NFT.NFT_MSG_GETCHAIN, NFT.NFT_MSG_NEWCHAIN, family, chain, {}).map(
    (entry) => {
      const hook = entry["NFTA_CHAIN_HOOK"] as Attributes | undefined;
      const name = HOOK_NAMES[(hook?.["NFTA_HOOK_HOOKNUM"] as number | undefined) ?? -1];
      return {
        table: { family: entry.family, name: entry["NFTA_CHAIN_TABLE"] as string },
        name: entry["NFTA_CHAIN_NAME"] as string,
        ...(hook && name
          ? {
              hook: {
                hook: name,
                type: entry["NFTA_CHAIN_TYPE"] as string,
                priority: (hook["NFTA_HOOK_PRIORITY"] as number) | 0,
                drops: entry["NFTA_CHAIN_POLICY"] === NFT.NF_DROP,
              },
            }
          : {}),
      };
    },
  );
}

export interface SetInfo {
  name: string;
  flags: number;
  keyType: number;
  dataType: number;
}

/** A table's sets and maps. */
export function listSets(socket: NetlinkSocket, table: TableName): SetInfo[] {
  return dump(socket, "NFT_MSG_GETSET", NFT.NFT_MSG_GETSET, NFT.NFT_MSG_NEWSET, table.family, set, {
    NFTA_SET_TABLE: table.name,
  }).map((entry) => ({
    name: entry["NFTA_SET_NAME"] as string,
    flags: (entry["NFTA_SET_FLAGS"] as number | undefined) ?? 0,
    keyType: (entry["NFTA_SET_KEY_TYPE"] as number | undefined) ?? 0,
    dataType: (entry["NFTA_SET_DATA_TYPE"] as number | undefined) ?? 0,
  }));
}

export interface RuleInfo {
  chain: string;
  handle: number;
  comment: string;
  /** The expressions as the schema knows them; those it does not know have a name only. */
  expressions: readonly Attributes[];
}

/** A table's rules, chain by chain in their order. */
export function listRules(socket: NetlinkSocket, table: TableName, chainName?: string): RuleInfo[] {
  return dump(socket, "NFT_MSG_GETRULE", NFT.NFT_MSG_GETRULE, NFT.NFT_MSG_NEWRULE, table.family, rule, {
    NFTA_RULE_TABLE: table.name,
    NFTA_RULE_CHAIN: chainName,
  })
    .filter((entry) => entry["NFTA_RULE_TABLE"] === table.name)
    .map((entry) => ({
      chain: entry["NFTA_RULE_CHAIN"] as string,
      handle: entry["NFTA_RULE_HANDLE"] as number,
      comment: comment(entry["NFTA_RULE_USERDATA"] as Uint8Array | undefined),
      expressions: (entry["NFTA_RULE_EXPRESSIONS"] ?? []) as readonly Attributes[],
    }));
}

function comment(userdata: Uint8Array | undefined): string {
  if (!userdata || userdata.length < 3 || userdata[0] !== 0) return "";
  return new TextDecoder().decode(userdata.subarray(2, 1 + userdata[1]!));
}

/** A set's or map's elements. Empty when the set or table does not exist. */
export function listElements(socket: NetlinkSocket, table: TableName, setName: string): Element[] {
  const { family, name } = table;
  return dump(
    socket,
    "NFT_MSG_GETSETELEM",
    NFT.NFT_MSG_GETSETELEM,
    NFT.NFT_MSG_NEWSETELEM,
    family,
    elements,
    { NFTA_SET_ELEM_LIST_TABLE: name, NFTA_SET_ELEM_LIST_SET: setName },
  )
    .flatMap((entry) => (entry["NFTA_SET_ELEM_LIST_ELEMENTS"] ?? []) as readonly Attributes[])
    .map((element) => {
      const key = element["NFTA_SET_ELEM_KEY"] as Attributes;
      const data = element["NFTA_SET_ELEM_DATA"] as Attributes | undefined;
      const flags = (element["NFTA_SET_ELEM_FLAGS"] as number | undefined) ?? 0;
      return {
        key: key["NFTA_DATA_VALUE"] as Uint8Array,
        data: data?.["NFTA_DATA_VALUE"] as Uint8Array | undefined,
        intervalEnd: (flags & NFT.NFT_SET_ELEM_INTERVAL_END) !== 0,
      };
    });
}
