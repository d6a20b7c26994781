// rtnetlink's messages as tables. man 7 rtnetlink, linux/rtnetlink.h, linux/if_link.h.
import * as RT from "../../constants/rtnetlink.ts";
import { layout } from "../../struct.ts";
import type { Table } from "../attributes.ts";

export const Link = layout({
  c: "struct ifinfomsg",
  header: "linux/rtnetlink.h",
  size: 16,
  fields: {
    ifi_family: [0, "u8"],
    ifi_type: [2, "u16"],
    ifi_index: [4, "i32"],
    ifi_flags: [8, "u32"],
    ifi_change: [12, "u32"],
  },
});

export const Address = layout({
  c: "struct ifaddrmsg",
  header: "linux/if_addr.h",
  size: 8,
  fields: {
    ifa_family: [0, "u8"],
    ifa_prefixlen: [1, "u8"],
    ifa_flags: [2, "u8"],
    ifa_scope: [3, "u8"],
    ifa_index: [4, "u32"],
  },
});

export const Route = layout({
  c: "struct rtmsg",
  header: "linux/rtnetlink.h",
  size: 12,
  fields: {
    rtm_family: [0, "u8"],
    rtm_dst_len: [1, "u8"],
    rtm_src_len: [2, "u8"],
    rtm_tos: [3, "u8"],
    rtm_table: [4, "u8"],
    rtm_protocol: [5, "u8"],
    rtm_scope: [6, "u8"],
    rtm_type: [7, "u8"],
    rtm_flags: [8, "u32"],
  },
});

export const Neighbour = layout({
  c: "struct ndmsg",
  header: "linux/neighbour.h",
  size: 12,
  fields: {
    ndm_family: [0, "u8"],
    ndm_ifindex: [4, "i32"],
    ndm_state: [8, "u16"],
    ndm_flags: [10, "u8"],
    ndm_type: [11, "u8"],
  },
});

const bridge: Table = {
  IFLA_BR_FORWARD_DELAY: [RT.IFLA_BR_FORWARD_DELAY, "u32"],
  IFLA_BR_STP_STATE: [RT.IFLA_BR_STP_STATE, "u32"],
  IFLA_BR_VLAN_FILTERING: [RT.IFLA_BR_VLAN_FILTERING, "u8"],
  IFLA_BR_MCAST_SNOOPING: [RT.IFLA_BR_MCAST_SNOOPING, "u8"],
};

const bridgePort: Table = {
  IFLA_BRPORT_STATE: [RT.IFLA_BRPORT_STATE, "u8"],
  IFLA_BRPORT_MODE: [RT.IFLA_BRPORT_MODE, "u8"],
  IFLA_BRPORT_LEARNING: [RT.IFLA_BRPORT_LEARNING, "u8"],
  IFLA_BRPORT_UNICAST_FLOOD: [RT.IFLA_BRPORT_UNICAST_FLOOD, "u8"],
  IFLA_BRPORT_FLUSH: [RT.IFLA_BRPORT_FLUSH, "bytes"],
  IFLA_BRPORT_MCAST_FLOOD: [RT.IFLA_BRPORT_MCAST_FLOOD, "u8"],
  IFLA_BRPORT_BCAST_FLOOD: [RT.IFLA_BRPORT_BCAST_FLOOD, "u8"],
  IFLA_BRPORT_ISOLATED: [RT.IFLA_BRPORT_ISOLATED, "u8"],
};

const plainLink: Table = {
  IFLA_ADDRESS: [RT.IFLA_ADDRESS, "bytes"],
  IFLA_IFNAME: [RT.IFLA_IFNAME, "string"],
  IFLA_MTU: [RT.IFLA_MTU, "u32"],
  IFLA_NET_NS_FD: [RT.IFLA_NET_NS_FD, "u32"],
};

const veth: Table = {
  VETH_INFO_PEER: [RT.VETH_INFO_PEER, { prefix: Link.size, table: plainLink }],
};

const macvlan: Table = { IFLA_MACVLAN_MODE: [RT.IFLA_MACVLAN_MODE, "u32"] };

const ipvlan: Table = {
  IFLA_IPVLAN_MODE: [RT.IFLA_IPVLAN_MODE, "u16"],
  IFLA_IPVLAN_FLAGS: [RT.IFLA_IPVLAN_FLAGS, "u16"],
};

const vlan: Table = { IFLA_VLAN_ID: [RT.IFLA_VLAN_ID, "u16"] };

export const link: Table = {
  ...plainLink,
  IFLA_LINK: [RT.IFLA_LINK, "u32"],
  IFLA_MASTER: [RT.IFLA_MASTER, "u32"],
  IFLA_PROTINFO: [RT.IFLA_PROTINFO, { nest: bridgePort }],
  IFLA_OPERSTATE: [RT.IFLA_OPERSTATE, "u8"],
  IFLA_IFALIAS: [RT.IFLA_IFALIAS, "string"],
  IFLA_TSO_MAX_SIZE: [RT.IFLA_TSO_MAX_SIZE, "u32"],
  IFLA_GSO_IPV4_MAX_SIZE: [RT.IFLA_GSO_IPV4_MAX_SIZE, "u32"],
  IFLA_LINKINFO: [
    RT.IFLA_LINKINFO,
    {
      nest: {
        IFLA_INFO_KIND: [RT.IFLA_INFO_KIND, "string"],
        IFLA_INFO_DATA: [
          RT.IFLA_INFO_DATA,
          { by: "IFLA_INFO_KIND", of: { bridge, veth, macvlan, ipvlan, vlan } },
        ],
        IFLA_INFO_SLAVE_KIND: [RT.IFLA_INFO_SLAVE_KIND, "string"],
        IFLA_INFO_SLAVE_DATA: [
          RT.IFLA_INFO_SLAVE_DATA,
          { by: "IFLA_INFO_SLAVE_KIND", of: { bridge: bridgePort } },
        ],
      },
    },
  ],
};

export const address: Table = {
  IFA_ADDRESS: [RT.IFA_ADDRESS, "bytes"],
  IFA_LOCAL: [RT.IFA_LOCAL, "bytes"],
  IFA_LABEL: [RT.IFA_LABEL, "string"],
  IFA_BROADCAST: [RT.IFA_BROADCAST, "bytes"],
};

export const route: Table = {
  RTA_DST: [RT.RTA_DST, "bytes"],
  RTA_OIF: [RT.RTA_OIF, "u32"],
  RTA_GATEWAY: [RT.RTA_GATEWAY, "bytes"],
  RTA_PRIORITY: [RT.RTA_PRIORITY, "u32"],
  RTA_PREFSRC: [RT.RTA_PREFSRC, "bytes"],
  RTA_TABLE: [RT.RTA_TABLE, "u32"],
};

export const neighbour: Table = {
  NDA_DST: [RT.NDA_DST, "bytes"],
  NDA_LLADDR: [RT.NDA_LLADDR, "bytes"],
};
