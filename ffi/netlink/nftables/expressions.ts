// A rule's expressions: small programs over registers. Each function is one instruction of nft's byte code (`nft --debug=netlink`
// prints the same ones). A register is 16 bytes; reg32 gives its four-byte slots, which concatenations fill one after another.
import * as NFT from "../../constants/nftables.ts";
import type { Attributes } from "../attributes.ts";

export type Expression = Attributes;

const expression = (name: string, data: Attributes): Expression => ({
  NFTA_EXPR_NAME: name,
  NFTA_EXPR_DATA: data,
});

/** The first 16-byte register, which is also slot 0. */
export const R1 = NFT.NFT_REG_1;
/** The second one (slots 4 to 7). */
export const R2 = NFT.NFT_REG_2;
/** Four-byte slot number `n`. */
export const reg32 = (n: number): number => NFT.NFT_REG32_00 + n;

export const IP_SOURCE = { base: NFT.NFT_PAYLOAD_NETWORK_HEADER, offset: 12, length: 4 } as const;
export const IP_DESTINATION = { base: NFT.NFT_PAYLOAD_NETWORK_HEADER, offset: 16, length: 4 } as const;
export const IP6_SOURCE = { base: NFT.NFT_PAYLOAD_NETWORK_HEADER, offset: 8, length: 16 } as const;
export const IP6_DESTINATION = { base: NFT.NFT_PAYLOAD_NETWORK_HEADER, offset: 24, length: 16 } as const;
export const PORT_SOURCE = { base: NFT.NFT_PAYLOAD_TRANSPORT_HEADER, offset: 0, length: 2 } as const;
/** TCP, UDP and SCTP agree on where it is. */
export const PORT_DESTINATION = { base: NFT.NFT_PAYLOAD_TRANSPORT_HEADER, offset: 2, length: 2 } as const;

export function payload(
  field: { base: number; offset: number; length: number },
  into: number = R1,
  length: number = field.length,
): Expression {
  return expression("payload", {
    NFTA_PAYLOAD_DREG: into,
    NFTA_PAYLOAD_BASE: field.base,
    NFTA_PAYLOAD_OFFSET: field.offset,
    NFTA_PAYLOAD_LEN: length,
  });
}

/** Writes a field of TCP's or UDP's header from a register; the checksum at `checksum` is mended. */
export function setPayload(
  field: { base: number; offset: number; length: number },
  checksum: number,
  from: number = R1,
): Expression {
  return expression("payload", {
    NFTA_PAYLOAD_SREG: from,
    NFTA_PAYLOAD_BASE: field.base,
    NFTA_PAYLOAD_OFFSET: field.offset,
    NFTA_PAYLOAD_LEN: field.length,
    NFTA_PAYLOAD_CSUM_TYPE: NFT.NFT_PAYLOAD_CSUM_INET,
    NFTA_PAYLOAD_CSUM_OFFSET: checksum,
  });
}

/** Loads a constant. */
export function load(value: Uint8Array, into: number = R1): Expression {
  return expression("immediate", {
    NFTA_IMMEDIATE_DREG: into,
    NFTA_IMMEDIATE_DATA: { NFTA_DATA_VALUE: value },
  });
}

export function meta(key: "iifname" | "oifname" | "l4proto" | "nfproto", into: number = R1): Expression {
  const keys = {
    iifname: NFT.NFT_META_IIFNAME,
    oifname: NFT.NFT_META_OIFNAME,
    l4proto: NFT.NFT_META_L4PROTO,
    nfproto: NFT.NFT_META_NFPROTO,
  };
  return expression("meta", { NFTA_META_DREG: into, NFTA_META_KEY: keys[key] });
}

export function ct(key: "state" | "status", into: number = R1): Expression {
  const keys = { state: NFT.NFT_CT_STATE, status: NFT.NFT_CT_STATUS };
  return expression("ct", { NFTA_CT_DREG: into, NFTA_CT_KEY: keys[key] });
}

/** The kind of the packet's destination address by the routing tables: RTN_LOCAL and its like, four bytes of host order. */
export function fibDestinationType(into: number = R1): Expression {
  return expression("fib", {
    NFTA_FIB_DREG: into,
    NFTA_FIB_RESULT: NFT.NFT_FIB_RESULT_ADDRTYPE,
    NFTA_FIB_FLAGS: NFT.NFTA_FIB_F_DADDR,
  });
}

/** Ends the rule unless the register equals (or, negated, differs from) the value. */
export function compare(value: Uint8Array, equal = true, register: number = R1): Expression {
  return expression("cmp", {
    NFTA_CMP_SREG: register,
    NFTA_CMP_OP: equal ? NFT.NFT_CMP_EQ : NFT.NFT_CMP_NEQ,
    NFTA_CMP_DATA: { NFTA_DATA_VALUE: value },
  });
}

/** Ends the rule unless the register shares a bit with the mask. */
export function anyBit(mask: Uint8Array, register: number = R1): Expression[] {
  const zero = new Uint8Array(mask.length);
  return [
    expression("bitwise", {
      NFTA_BITWISE_SREG: register,
      NFTA_BITWISE_DREG: register,
      NFTA_BITWISE_LEN: mask.length,
      NFTA_BITWISE_MASK: { NFTA_DATA_VALUE: mask },
      NFTA_BITWISE_XOR: { NFTA_DATA_VALUE: zero },
    }),
    compare(zero, false, register),
  ];
}

/** Ends the rule unless the key in `register` is in the set; with `into`, loads the map's data there. */
export function lookup(
  set: string,
  options: { register?: number; into?: number; absent?: boolean } = {},
): Expression {
  return expression("lookup", {
    NFTA_LOOKUP_SET: set,
    NFTA_LOOKUP_SREG: options.register ?? R1,
    NFTA_LOOKUP_DREG: options.into,
    NFTA_LOOKUP_FLAGS: options.absent ? NFT.NFT_LOOKUP_F_INV : undefined,
  });
}

/** New destination from registers: an address, and a port in network order. `family` is NFPROTO_IPV4 or NFPROTO_IPV6. */
export function dnat(family: number, address: number, port: number): Expression {
  return expression("nat", {
    NFTA_NAT_TYPE: NFT.NFT_NAT_DNAT,
    NFTA_NAT_FAMILY: family,
    NFTA_NAT_REG_ADDR_MIN: address,
    NFTA_NAT_REG_PROTO_MIN: port,
  });
}

/** New source, from a register. */
export function snat(family: number, address: number): Expression {
  return expression("nat", {
    NFTA_NAT_TYPE: NFT.NFT_NAT_SNAT,
    NFTA_NAT_FAMILY: family,
    NFTA_NAT_REG_ADDR_MIN: address,
  });
}

/** New source: the address of the interface that the packet leaves by. */
export function masquerade(): Expression {
  return expression("masq", {});
}

export function counter(): Expression {
  return expression("counter", { NFTA_COUNTER_BYTES: 0, NFTA_COUNTER_PACKETS: 0 });
}

function verdict(code: number, chain?: string): Expression {
  return expression("immediate", {
    NFTA_IMMEDIATE_DREG: NFT.NFT_REG_VERDICT,
    NFTA_IMMEDIATE_DATA: { NFTA_DATA_VERDICT: { NFTA_VERDICT_CODE: code, NFTA_VERDICT_CHAIN: chain } },
  });
}

export const accept = (): Expression => verdict(NFT.NF_ACCEPT);
export const drop = (): Expression => verdict(NFT.NF_DROP);
export const jump = (chain: string): Expression => verdict(NFT.NFT_JUMP, chain);

/** Whether a rule ends every packet that gets to it: it matches nothing and its verdict is drop, or it rejects. */
export function dropsEverything(expressions: readonly Attributes[]): boolean {
  const names = expressions.map((entry) => entry["NFTA_EXPR_NAME"] as string);
  const last = expressions.at(-1);
  if (names.slice(0, -1).some((name) => name !== "counter" && name !== "log")) return false;
  if (names.at(-1) === "reject") return true;
  const data = last?.["NFTA_EXPR_DATA"] as Attributes | undefined;
  const verdict = (data?.["NFTA_IMMEDIATE_DATA"] as Attributes | undefined)?.["NFTA_DATA_VERDICT"];
  return (
    names.at(-1) === "immediate" && (verdict as Attributes | undefined)?.["NFTA_VERDICT_CODE"] === NFT.NF_DROP
  );
}
