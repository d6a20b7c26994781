// nf_tables' messages as tables. linux/netfilter/nf_tables.h; every integer is big-endian there.
import * as NFT from "../../constants/nftables.ts";
import { layout } from "../../struct.ts";
import type { Table } from "../attributes.ts";

export const Family = layout({
  c: "struct nfgenmsg",
  header: "linux/netfilter/nfnetlink.h",
  size: 4,
  fields: { nfgen_family: [0, "u8"], version: [1, "u8"], res_id: [2, "u16"] },
});

export const table: Table = {
  NFTA_TABLE_NAME: [NFT.NFTA_TABLE_NAME, "string"],
  NFTA_TABLE_FLAGS: [NFT.NFTA_TABLE_FLAGS, "be32"],
  NFTA_TABLE_USERDATA: [NFT.NFTA_TABLE_USERDATA, "bytes"],
};

export const chain: Table = {
  NFTA_CHAIN_TABLE: [NFT.NFTA_CHAIN_TABLE, "string"],
  NFTA_CHAIN_NAME: [NFT.NFTA_CHAIN_NAME, "string"],
  NFTA_CHAIN_HOOK: [
    NFT.NFTA_CHAIN_HOOK,
    {
      nest: {
        NFTA_HOOK_HOOKNUM: [NFT.NFTA_HOOK_HOOKNUM, "be32"],
        NFTA_HOOK_PRIORITY: [NFT.NFTA_HOOK_PRIORITY, "be32"],
      },
    },
  ],
  NFTA_CHAIN_POLICY: [NFT.NFTA_CHAIN_POLICY, "be32"],
  NFTA_CHAIN_TYPE: [NFT.NFTA_CHAIN_TYPE, "string"],
};

const verdict: Table = {
  NFTA_VERDICT_CODE: [NFT.NFTA_VERDICT_CODE, "be32"],
  NFTA_VERDICT_CHAIN: [NFT.NFTA_VERDICT_CHAIN, "string"],
};

const data: Table = {
  NFTA_DATA_VALUE: [NFT.NFTA_DATA_VALUE, "bytes"],
  NFTA_DATA_VERDICT: [NFT.NFTA_DATA_VERDICT, { nest: verdict }],
};

const expressionData: Readonly<Record<string, Table>> = {
  payload: {
    NFTA_PAYLOAD_DREG: [NFT.NFTA_PAYLOAD_DREG, "be32"],
    NFTA_PAYLOAD_BASE: [NFT.NFTA_PAYLOAD_BASE, "be32"],
    NFTA_PAYLOAD_OFFSET: [NFT.NFTA_PAYLOAD_OFFSET, "be32"],
    NFTA_PAYLOAD_LEN: [NFT.NFTA_PAYLOAD_LEN, "be32"],
    NFTA_PAYLOAD_SREG: [NFT.NFTA_PAYLOAD_SREG, "be32"],
    NFTA_PAYLOAD_CSUM_TYPE: [NFT.NFTA_PAYLOAD_CSUM_TYPE, "be32"],
    NFTA_PAYLOAD_CSUM_OFFSET: [NFT.NFTA_PAYLOAD_CSUM_OFFSET, "be32"],
  },
  cmp: {
    NFTA_CMP_SREG: [NFT.NFTA_CMP_SREG, "be32"],
    NFTA_CMP_OP: [NFT.NFTA_CMP_OP, "be32"],
    NFTA_CMP_DATA: [NFT.NFTA_CMP_DATA, { nest: data }],
  },
  bitwise: {
    NFTA_BITWISE_SREG: [NFT.NFTA_BITWISE_SREG, "be32"],
    NFTA_BITWISE_DREG: [NFT.NFTA_BITWISE_DREG, "be32"],
    NFTA_BITWISE_LEN: [NFT.NFTA_BITWISE_LEN, "be32"],
    NFTA_BITWISE_MASK: [NFT.NFTA_BITWISE_MASK, { nest: data }],
    NFTA_BITWISE_XOR: [NFT.NFTA_BITWISE_XOR, { nest: data }],
  },
  meta: {
    NFTA_META_DREG: [NFT.NFTA_META_DREG, "be32"],
    NFTA_META_KEY: [NFT.NFTA_META_KEY, "be32"],
  },
  ct: {
    NFTA_CT_DREG: [NFT.NFTA_CT_DREG, "be32"],
    NFTA_CT_KEY: [NFT.NFTA_CT_KEY, "be32"],
  },
  fib: {
    NFTA_FIB_DREG: [NFT.NFTA_FIB_DREG, "be32"],
    NFTA_FIB_RESULT: [NFT.NFTA_FIB_RESULT, "be32"],
    NFTA_FIB_FLAGS: [NFT.NFTA_FIB_FLAGS, "be32"],
  },
  immediate: {
    NFTA_IMMEDIATE_DREG: [NFT.NFTA_IMMEDIATE_DREG, "be32"],
    NFTA_IMMEDIATE_DATA: [NFT.NFTA_IMMEDIATE_DATA, { nest: data }],
  },
  lookup: {
    NFTA_LOOKUP_SET: [NFT.NFTA_LOOKUP_SET, "string"],
    NFTA_LOOKUP_SREG: [NFT.NFTA_LOOKUP_SREG, "be32"],
    NFTA_LOOKUP_DREG: [NFT.NFTA_LOOKUP_DREG, "be32"],
    NFTA_LOOKUP_FLAGS: [NFT.NFTA_LOOKUP_FLAGS, "be32"],
  },
  nat: {
    NFTA_NAT_TYPE: [NFT.NFTA_NAT_TYPE, "be32"],
    NFTA_NAT_FAMILY: [NFT.NFTA_NAT_FAMILY, "be32"],
    NFTA_NAT_REG_ADDR_MIN: [NFT.NFTA_NAT_REG_ADDR_MIN, "be32"],
    NFTA_NAT_REG_PROTO_MIN: [NFT.NFTA_NAT_REG_PROTO_MIN, "be32"],
  },
  masq: { NFTA_MASQ_FLAGS: [NFT.NFTA_MASQ_FLAGS, "be32"] },
  counter: {
    NFTA_COUNTER_BYTES: [NFT.NFTA_COUNTER_BYTES, "be64"],
    NFTA_COUNTER_PACKETS: [NFT.NFTA_COUNTER_PACKETS, "be64"],
  },
};

const expression: Table = {
  NFTA_EXPR_NAME: [NFT.NFTA_EXPR_NAME, "string"],
  NFTA_EXPR_DATA: [NFT.NFTA_EXPR_DATA, { by: "NFTA_EXPR_NAME", of: expressionData }],
};

export const rule: Table = {
  NFTA_RULE_TABLE: [NFT.NFTA_RULE_TABLE, "string"],
  NFTA_RULE_CHAIN: [NFT.NFTA_RULE_CHAIN, "string"],
  NFTA_RULE_HANDLE: [NFT.NFTA_RULE_HANDLE, "be64"],
  NFTA_RULE_EXPRESSIONS: [NFT.NFTA_RULE_EXPRESSIONS, { list: NFT.NFTA_LIST_ELEM, item: expression }],
  NFTA_RULE_POSITION: [NFT.NFTA_RULE_POSITION, "be64"],
  NFTA_RULE_USERDATA: [NFT.NFTA_RULE_USERDATA, "bytes"],
};

export const set: Table = {
  NFTA_SET_TABLE: [NFT.NFTA_SET_TABLE, "string"],
  NFTA_SET_NAME: [NFT.NFTA_SET_NAME, "string"],
  NFTA_SET_FLAGS: [NFT.NFTA_SET_FLAGS, "be32"],
  NFTA_SET_KEY_TYPE: [NFT.NFTA_SET_KEY_TYPE, "be32"],
  NFTA_SET_KEY_LEN: [NFT.NFTA_SET_KEY_LEN, "be32"],
  NFTA_SET_DATA_TYPE: [NFT.NFTA_SET_DATA_TYPE, "be32"],
  NFTA_SET_DATA_LEN: [NFT.NFTA_SET_DATA_LEN, "be32"],
  NFTA_SET_ID: [NFT.NFTA_SET_ID, "be32"],
  NFTA_SET_USERDATA: [NFT.NFTA_SET_USERDATA, "bytes"],
};

const element: Table = {
  NFTA_SET_ELEM_KEY: [NFT.NFTA_SET_ELEM_KEY, { nest: data }],
  NFTA_SET_ELEM_DATA: [NFT.NFTA_SET_ELEM_DATA, { nest: data }],
  NFTA_SET_ELEM_FLAGS: [NFT.NFTA_SET_ELEM_FLAGS, "be32"],
};

export const elements: Table = {
  NFTA_SET_ELEM_LIST_TABLE: [NFT.NFTA_SET_ELEM_LIST_TABLE, "string"],
  NFTA_SET_ELEM_LIST_SET: [NFT.NFTA_SET_ELEM_LIST_SET, "string"],
  NFTA_SET_ELEM_LIST_ELEMENTS: [NFT.NFTA_SET_ELEM_LIST_ELEMENTS, { list: NFT.NFTA_LIST_ELEM, item: element }],
};
