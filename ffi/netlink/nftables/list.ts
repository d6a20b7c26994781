// Reading a table back from the kernel.
import * as NFT from "../../constants/nftables.ts";
import { isErrno } from "../../errno.ts";
import { type Attributes, decodeAttributes, type Table } from "../attributes.ts";
import type { NetlinkSocket } from "../socket.ts";
import type { Element } from "./messages.ts";
import { messageType, nftMessage } from "./messages.ts";
import { chain, elements, Family, rule, set } from "./tables.ts";

function dump(
  socket: NetlinkSocket,
  name: string,
  verb: number,
  answer: number,
  schema: Table,
  filter: Attributes,
): Attributes[] {
  try {
    return socket
      .dump(nftMessage(name, verb, 0, Object.values(filter).join(" "), schema, filter))
      .filter((reply) => reply.type === messageType(answer))
      .map((reply) => decodeAttributes(schema, reply.body.subarray(Family.size)));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** Names of a table's chains. */
export function listChains(socket: NetlinkSocket, table: string): string[] {
  return dump(socket, "NFT_MSG_GETCHAIN", NFT.NFT_MSG_GETCHAIN, NFT.NFT_MSG_NEWCHAIN, chain, {})
    .filter((entry) => entry["NFTA_CHAIN_TABLE"] === table)
    .map((entry) => entry["NFTA_CHAIN_NAME"] as string);
}

/** Names of a table's sets and maps. */
export function listSets(socket: NetlinkSocket, table: string): string[] {
  return dump(socket, "NFT_MSG_GETSET", NFT.NFT_MSG_GETSET, NFT.NFT_MSG_NEWSET, set, {
    NFTA_SET_TABLE: table,
  }).map((entry) => entry["NFTA_SET_NAME"] as string);
}

/** A table's rules: chain, and the raw bytes nft keeps its comment in. */
export function listRules(
  socket: NetlinkSocket,
  table: string,
): { chain: string; comment: string; expressions: string[] }[] {
  return dump(socket, "NFT_MSG_GETRULE", NFT.NFT_MSG_GETRULE, NFT.NFT_MSG_NEWRULE, rule, {
    NFTA_RULE_TABLE: table,
  })
    .filter((entry) => entry["NFTA_RULE_TABLE"] === table)
    .map((entry) => ({
      chain: entry["NFTA_RULE_CHAIN"] as string,
      comment: comment(entry["NFTA_RULE_USERDATA"] as Uint8Array | undefined),
      expressions: ((entry["NFTA_RULE_EXPRESSIONS"] ?? []) as readonly Attributes[]).map(
        (expression) => expression["NFTA_EXPR_NAME"] as string,
      ),
    }));
}

function comment(userdata: Uint8Array | undefined): string {
  if (!userdata || userdata.length < 3 || userdata[0] !== 0) return "";
  return new TextDecoder().decode(userdata.subarray(2, 1 + userdata[1]!));
}

/** A set's or map's elements. Empty when the set or table does not exist. */
export function listElements(socket: NetlinkSocket, table: string, setName: string): Element[] {
  return dump(socket, "NFT_MSG_GETSETELEM", NFT.NFT_MSG_GETSETELEM, NFT.NFT_MSG_NEWSETELEM, elements, {
    NFTA_SET_ELEM_LIST_TABLE: table,
    NFTA_SET_ELEM_LIST_SET: setName,
  })
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
