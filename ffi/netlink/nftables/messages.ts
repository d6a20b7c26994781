// nf_tables' verbs, each one message of a transaction. A table is named by its family and its name.
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL } from "../../constants/netlink.ts";
import * as NFT from "../../constants/nftables.ts";
import { pack } from "../../struct.ts";
import { type Attributes, concat, encodeAttributes, type Table } from "../attributes.ts";
import type { Message } from "../message.ts";
import type { Expression } from "./expressions.ts";
import { chain, elements, Family, rule, set, table } from "./tables.ts";

export const messageType = (verb: number): number => (NFT.NFNL_SUBSYS_NFTABLES << 8) | verb;

/** `family` is an NFPROTO_ number: IPv4, IPv6 or INET for both. */
export interface TableName {
  family: number;
  name: string;
}

export function nftMessage(
  name: string,
  verb: number,
  flags: number,
  family: number,
  about: string,
  schema: Table,
  attributes: Attributes,
): Message {
  const header = pack(Family, { nfgen_family: family, version: NFT.NFNETLINK_V0 });
  return {
    name,
    about,
    type: messageType(verb),
    flags,
    body: concat([header, encodeAttributes(schema, attributes)]),
  };
}

/** Makes the table; nothing happens when it exists. */
export function addTable({ family, name }: TableName): Message {
  return nftMessage("NFT_MSG_NEWTABLE", NFT.NFT_MSG_NEWTABLE, NLM_F_CREATE, family, name, table, {
    NFTA_TABLE_NAME: name,
  });
}

/** Removes the table with all that is in it. */
export function deleteTable({ family, name }: TableName): Message {
  return nftMessage("NFT_MSG_DELTABLE", NFT.NFT_MSG_DELTABLE, 0, family, name, table, {
    NFTA_TABLE_NAME: name,
  });
}

export interface Hook {
  type: "filter" | "nat";
  hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  priority: number;
}

const HOOKS = {
  prerouting: NFT.NF_INET_PRE_ROUTING,
  input: NFT.NF_INET_LOCAL_IN,
  forward: NFT.NF_INET_FORWARD,
  output: NFT.NF_INET_LOCAL_OUT,
  postrouting: NFT.NF_INET_POST_ROUTING,
} as const;

/** A chain; with a hook a base chain of policy accept. */
export function addChain(of: TableName, name: string, hook?: Hook): Message {
  const about = `${of.name} ${name}`;
  return nftMessage("NFT_MSG_NEWCHAIN", NFT.NFT_MSG_NEWCHAIN, NLM_F_CREATE, of.family, about, chain, {
    NFTA_CHAIN_TABLE: of.name,
    NFTA_CHAIN_NAME: name,
    NFTA_CHAIN_HOOK: hook && {
      NFTA_HOOK_HOOKNUM: HOOKS[hook.hook],
      NFTA_HOOK_PRIORITY: hook.priority,
    },
    NFTA_CHAIN_POLICY: hook && NFT.NF_ACCEPT,
    NFTA_CHAIN_TYPE: hook?.type,
  });
}

/** Removes a chain, which must be empty and jumped to by nobody. */
export function deleteChain(of: TableName, name: string): Message {
  const about = `${of.name} ${name}`;
  return nftMessage("NFT_MSG_DELCHAIN", NFT.NFT_MSG_DELCHAIN, 0, of.family, about, chain, {
    NFTA_CHAIN_TABLE: of.name,
    NFTA_CHAIN_NAME: name,
  });
}

/** Removes one rule of a chain by its handle, or all of them. */
export function deleteRules(of: TableName, chainName: string, handle?: number): Message {
  const about = `${of.name} ${chainName}`;
  return nftMessage("NFT_MSG_DELRULE", NFT.NFT_MSG_DELRULE, 0, of.family, about, rule, {
    NFTA_RULE_TABLE: of.name,
    NFTA_RULE_CHAIN: chainName,
    NFTA_RULE_HANDLE: handle,
  });
}

/** Comments travel in the userdata that nft(8) reads: type 0, length, NUL-terminated text. libnftnl udata.h. */
function commentData(comment: string): Uint8Array {
  const text = new TextEncoder().encode(`${comment}\0`);
  if (text.length > 128) throw new RangeError(`comment of ${text.length} bytes: ${comment}`);
  return concat([Uint8Array.of(0, text.length), text]);
}

/** Appends a rule to a chain, or puts it before the rule with the handle `before`. */
export function addRule(
  of: TableName,
  chainName: string,
  expressions: readonly Expression[],
  comment?: string,
  before?: number,
): Message {
  return nftMessage(
    "NFT_MSG_NEWRULE",
    NFT.NFT_MSG_NEWRULE,
    NLM_F_CREATE | (before === undefined ? NLM_F_APPEND : 0),
    of.family,
    `${of.name} ${chainName}${comment ? ` (${comment})` : ""}`,
    rule,
    {
      NFTA_RULE_TABLE: of.name,
      NFTA_RULE_CHAIN: chainName,
      NFTA_RULE_EXPRESSIONS: expressions,
      NFTA_RULE_POSITION: before,
      NFTA_RULE_USERDATA: comment === undefined ? undefined : commentData(comment),
    },
  );
}

// nft(8)'s own numbers for types (include/datatype.h) and the bytes each takes. The kernel only keeps them for nft to print by.
const DATA_TYPES = {
  ipv4_addr: { number: 7, size: 4 },
  ipv6_addr: { number: 8, size: 16 },
  inet_proto: { number: 12, size: 1 },
  inet_service: { number: 13, size: 2 },
  ifname: { number: 41, size: 16 },
} as const;
export type DataType = keyof typeof DATA_TYPES;

const slot = (size: number) => (size + 3) & ~3;

/** A concatenation's parts each fill whole four-byte slots; its type is six bits a part. */
function typeOf(parts: readonly DataType[]): { type: number; length: number } {
  const [only] = parts;
  if (only && parts.length === 1) return { type: DATA_TYPES[only].number, length: DATA_TYPES[only].size };
  return {
    type: parts.reduce((type, part) => (type << 6) | DATA_TYPES[part].number, 0),
    length: parts.reduce((length, part) => length + slot(DATA_TYPES[part].size), 0),
  };
}

export interface SetDefinition {
  name: string;
  key: readonly DataType[];
  /** A map's values. */
  data?: readonly DataType[];
  /** Keys are ranges: elements come in pairs, start and (exclusive) end. */
  interval?: boolean;
}

// Tells nft(8) to print the key as text and not as a big-endian number: NFTNL_UDATA_SET_KEYBYTEORDER (0), length, BYTEORDER_HOST_ENDIAN.
const HOST_ORDER_KEY = Uint8Array.of(0, 4, 1, 0, 0, 0);

export function addSet(of: TableName, definition: SetDefinition, id: number): Message {
  const key = typeOf(definition.key);
  const data = definition.data && typeOf(definition.data);
  return nftMessage(
    "NFT_MSG_NEWSET",
    NFT.NFT_MSG_NEWSET,
    NLM_F_CREATE,
    of.family,
    `${of.name} ${definition.name}`,
    set,
    {
      NFTA_SET_TABLE: of.name,
      NFTA_SET_NAME: definition.name,
      NFTA_SET_FLAGS: (data ? NFT.NFT_SET_MAP : 0) | (definition.interval ? NFT.NFT_SET_INTERVAL : 0),
      NFTA_SET_KEY_TYPE: key.type,
      NFTA_SET_KEY_LEN: key.length,
      NFTA_SET_DATA_TYPE: data?.type,
      NFTA_SET_DATA_LEN: data?.length,
      NFTA_SET_ID: id,
      NFTA_SET_USERDATA: definition.key[0] === "ifname" ? HOST_ORDER_KEY : undefined,
    },
  );
}

/** Removes a set that no rule looks up. */
export function deleteSet(of: TableName, name: string): Message {
  const about = `${of.name} ${name}`;
  return nftMessage("NFT_MSG_DELSET", NFT.NFT_MSG_DELSET, 0, of.family, about, set, {
    NFTA_SET_TABLE: of.name,
    NFTA_SET_NAME: name,
  });
}

/** Removes all elements of a set. */
export function flushSet(of: TableName, name: string): Message {
  const about = `${of.name} ${name}`;
  return nftMessage("NFT_MSG_DELSETELEM", NFT.NFT_MSG_DELSETELEM, 0, of.family, about, elements, {
    NFTA_SET_ELEM_LIST_TABLE: of.name,
    NFTA_SET_ELEM_LIST_SET: name,
  });
}

export interface Element {
  key: Uint8Array;
  data?: Uint8Array;
  intervalEnd?: boolean;
}

/** A concatenation's bytes: each part padded to whole slots. */
export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  return concat(parts.flatMap((part) => [part, new Uint8Array(slot(part.length) - part.length)]));
}

/** An attribute holds 64 KiB; an element of ours takes at most about 100 bytes. */
const ELEMENTS_A_MESSAGE = 500;

function elementMessages(
  name: string,
  verb: number,
  flags: number,
  of: TableName,
  setName: string,
  all: readonly Element[],
): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < all.length; at += ELEMENTS_A_MESSAGE) {
    const some = all.slice(at, at + ELEMENTS_A_MESSAGE).map((element) => ({
      NFTA_SET_ELEM_FLAGS: element.intervalEnd ? NFT.NFT_SET_ELEM_INTERVAL_END : undefined,
      NFTA_SET_ELEM_KEY: { NFTA_DATA_VALUE: element.key },
      NFTA_SET_ELEM_DATA: element.data && { NFTA_DATA_VALUE: element.data },
    }));
    messages.push(
      nftMessage(name, verb, flags, of.family, `${of.name} ${setName}`, elements, {
        NFTA_SET_ELEM_LIST_TABLE: of.name,
        NFTA_SET_ELEM_LIST_SET: setName,
        NFTA_SET_ELEM_LIST_ELEMENTS: some,
      }),
    );
  }
  return messages;
}

/** Adds elements; an equal one that is there is no error, one with other data is (EBUSY or EEXIST). */
export function addElements(of: TableName, setName: string, all: readonly Element[]): Message[] {
  return elementMessages("NFT_MSG_NEWSETELEM", NFT.NFT_MSG_NEWSETELEM, NLM_F_CREATE, of, setName, all);
}

/** Removes elements by key (intervals by start and end); one that is absent is ENOENT. */
export function deleteElements(of: TableName, setName: string, all: readonly Element[]): Message[] {
  const keys = all.map(({ key, intervalEnd }) => ({ key, intervalEnd }));
  return elementMessages("NFT_MSG_DELSETELEM", NFT.NFT_MSG_DELSETELEM, 0, of, setName, keys);
}

/** Makes an element addition fail with EEXIST where the key is already there. */
export function exclusive(messages: readonly Message[]): Message[] {
  return messages.map((message) => ({ ...message, flags: message.flags | NLM_F_EXCL }));
}
