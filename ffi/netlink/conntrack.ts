// Connection tracking: reading flows and making the kernel forget some. A UDP flow that was first seen before its port was
// published (or that leads to a container that is gone) keeps its old way for as long as packets come.
import * as CT from "../constants/conntrack.ts";
import { NFNL_SUBSYS_CTNETLINK, NFPROTO_UNSPEC } from "../constants/nftables.ts";
import { isErrno } from "../errno.ts";
import { field, pack } from "../struct.ts";
import { type Attributes, concat, decodeAttributes, encodeAttributes, type Table } from "./attributes.ts";
import type { Message } from "./message.ts";
import { Family } from "./nftables/tables.ts";
import type { NetlinkSocket } from "./socket.ts";

const tuple: Table = {
  CTA_TUPLE_IP: [
    CT.CTA_TUPLE_IP,
    {
      nest: {
        CTA_IP_V4_SRC: [CT.CTA_IP_V4_SRC, "bytes"],
        CTA_IP_V4_DST: [CT.CTA_IP_V4_DST, "bytes"],
        CTA_IP_V6_SRC: [CT.CTA_IP_V6_SRC, "bytes"],
        CTA_IP_V6_DST: [CT.CTA_IP_V6_DST, "bytes"],
      },
    },
  ],
  CTA_TUPLE_PROTO: [
    CT.CTA_TUPLE_PROTO,
    {
      nest: {
        CTA_PROTO_NUM: [CT.CTA_PROTO_NUM, "u8"],
        CTA_PROTO_SRC_PORT: [CT.CTA_PROTO_SRC_PORT, "be16"],
        CTA_PROTO_DST_PORT: [CT.CTA_PROTO_DST_PORT, "be16"],
      },
    },
  ],
};

const flow: Table = {
  CTA_TUPLE_ORIG: [CT.CTA_TUPLE_ORIG, { nest: tuple }],
  CTA_TUPLE_REPLY: [CT.CTA_TUPLE_REPLY, { nest: tuple }],
};

/** One direction of a flow; addresses are 4 or 16 bytes. */
export interface Tuple {
  source: Uint8Array;
  destination: Uint8Array;
  protocol: number;
  sourcePort: number;
  destinationPort: number;
}

export interface Flow {
  original: Tuple;
  /** What answers look like: its source is whom the packets really reach. */
  reply: Tuple;
}

function parseTuple(attributes: Attributes): Tuple {
  const ip = (attributes["CTA_TUPLE_IP"] ?? {}) as Attributes;
  const proto = (attributes["CTA_TUPLE_PROTO"] ?? {}) as Attributes;
  return {
    source: (ip["CTA_IP_V4_SRC"] ?? ip["CTA_IP_V6_SRC"] ?? new Uint8Array(4)) as Uint8Array,
    destination: (ip["CTA_IP_V4_DST"] ?? ip["CTA_IP_V6_DST"] ?? new Uint8Array(4)) as Uint8Array,
    protocol: (proto["CTA_PROTO_NUM"] ?? 0) as number,
    sourcePort: (proto["CTA_PROTO_SRC_PORT"] ?? 0) as number,
    destinationPort: (proto["CTA_PROTO_DST_PORT"] ?? 0) as number,
  };
}

function message(name: string, verb: number, family: number, attributes: Attributes): Message {
  return {
    name,
    about: "",
    type: (NFNL_SUBSYS_CTNETLINK << 8) | verb,
    flags: 0,
    body: concat([pack(Family, { nfgen_family: family }), encodeAttributes(flow, attributes)]),
  };
}

/** Deletes the flows, IPv4 and IPv6, that `matches` picks; returns how many. Throws NetlinkError. */
export function deleteFlows(socket: NetlinkSocket, matches: (flow: Flow) => boolean): number {
  let deleted = 0;
  const get = message("IPCTNL_MSG_CT_GET", CT.IPCTNL_MSG_CT_GET, NFPROTO_UNSPEC, {});
  for (const { body } of socket.dump(get)) {
    const attributes = decodeAttributes(flow, body.subarray(Family.size));
    const original = (attributes["CTA_TUPLE_ORIG"] ?? {}) as Attributes;
    const reply = (attributes["CTA_TUPLE_REPLY"] ?? {}) as Attributes;
    if (!matches({ original: parseTuple(original), reply: parseTuple(reply) })) continue;
    try {
      const family = field(Family, body, "nfgen_family");
      const gone = { CTA_TUPLE_ORIG: original };
      socket.request(message("IPCTNL_MSG_CT_DELETE", CT.IPCTNL_MSG_CT_DELETE, family, gone));
      deleted++;
    } catch (error) {
      // It ended on its own.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  return deleted;
}
