// IPv4 routes.
import { AF_INET, NLM_F_CREATE, NLM_F_EXCL } from "../../constants/netlink.ts";
import {
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTPROT_BOOT,
} from "../../constants/rtnetlink.ts";
import { field, pack } from "../../struct.ts";
import { concat, decodeAttributes, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { Route, route } from "./tables.ts";

export interface RouteInfo {
  /** 4 bytes; 0.0.0.0 with prefix 0 is the default route. */
  destination: Uint8Array;
  prefix: number;
  table: number;
  /** Interface index, 0 when the route names none. */
  index: number;
  type: number;
}

/** The way to everything else, by a gateway on a directly attached network. */
export function newDefaultRoute(gateway: Uint8Array, index: number): Message {
  return {
    name: "RTM_NEWROUTE",
    about: `default via ${gateway.join(".")}`,
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: concat([
      pack(Route, {
        rtm_family: AF_INET,
        rtm_table: RT_TABLE_MAIN,
        rtm_protocol: RTPROT_BOOT,
        rtm_scope: RT_SCOPE_UNIVERSE,
        rtm_type: RTN_UNICAST,
      }),
      encodeAttributes(route, { RTA_GATEWAY: gateway, RTA_OIF: index }),
    ]),
  };
}

/** All IPv4 routes of the socket's namespace, of every table. */
export function listRoutes(socket: NetlinkSocket): RouteInfo[] {
  return socket
    .dump({
      name: "RTM_GETROUTE",
      about: "",
      type: RTM_GETROUTE,
      flags: 0,
      body: pack(Route, { rtm_family: AF_INET }),
    })
    .filter((reply) => reply.type === RTM_NEWROUTE)
    .map((reply) => {
      const attributes = decodeAttributes(route, reply.body.subarray(Route.size));
      return {
        destination: (attributes["RTA_DST"] as Uint8Array | undefined) ?? new Uint8Array(4),
        prefix: field(Route, reply.body, "rtm_dst_len"),
        table: (attributes["RTA_TABLE"] as number | undefined) ?? field(Route, reply.body, "rtm_table"),
        index: (attributes["RTA_OIF"] as number | undefined) ?? 0,
        type: field(Route, reply.body, "rtm_type"),
      };
    });
}
