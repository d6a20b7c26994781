// IPv4 and IPv6 routes.
import { AF_INET, AF_INET6, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../constants/netlink.ts";
import {
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTPROT_BOOT,
} from "../../constants/rtnetlink.ts";
import { field, pack } from "../../struct.ts";
import { concat, decodeAttributes, encodeAttributes } from "../attributes.ts";
import type { Message } from "../message.ts";
import type { NetlinkSocket } from "../socket.ts";
import { addressText } from "./address.ts";
import { Route, route } from "./tables.ts";

export interface RouteInfo {
  /** 4 or 16 bytes; all zero with prefix 0 is the default route. */
  destination: Uint8Array;
  prefix: number;
  table: number;
  /** Interface index, 0 when the route names none. */
  index: number;
  type: number;
}

function defaultRoute(
  name: string,
  type: number,
  flags: number,
  gateway: Uint8Array | 4 | 6,
  index: number,
): Message {
  const via = typeof gateway === "number" ? undefined : gateway;
  const v6 = via ? via.length === 16 : gateway === 6;
  return {
    name,
    about: via ? `default via ${addressText(via)}` : `default dev ${index}`,
    type,
    flags,
    body: concat([
      pack(Route, {
        rtm_family: v6 ? AF_INET6 : AF_INET,
        rtm_table: RT_TABLE_MAIN,
        rtm_protocol: RTPROT_BOOT,
        rtm_scope: via || v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
        rtm_type: RTN_UNICAST,
      }),
      encodeAttributes(route, { RTA_GATEWAY: via, RTA_OIF: index }),
    ]),
  };
}

/** The way to everything else: by a gateway on a directly attached network, or (a family alone) everything is on the link. */
export function newDefaultRoute(gateway: Uint8Array | 4 | 6, index: number): Message {
  return defaultRoute("RTM_NEWROUTE", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, gateway, index);
}

/** The same, in the place of the default route there is. */
export function replaceDefaultRoute(gateway: Uint8Array | 4 | 6, index: number): Message {
  return defaultRoute("RTM_NEWROUTE", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, gateway, index);
}

export function deleteDefaultRoute(gateway: Uint8Array | 4 | 6, index: number): Message {
  return defaultRoute("RTM_DELROUTE", RTM_DELROUTE, 0, gateway, index);
}

/** All routes of one family of the socket's namespace, of every table. */
export function listRoutes(socket: NetlinkSocket, family: 4 | 6 = 4): RouteInfo[] {
  return socket
    .dump({
      name: "RTM_GETROUTE",
      about: "",
      type: RTM_GETROUTE,
      flags: 0,
      body: pack(Route, { rtm_family: family === 4 ? AF_INET : AF_INET6 }),
    })
    .filter((reply) => reply.type === RTM_NEWROUTE)
    .map((reply) => {
      const attributes = decodeAttributes(route, reply.body.subarray(Route.size));
      return {
        destination:
          (attributes["RTA_DST"] as Uint8Array | undefined) ?? new Uint8Array(family === 4 ? 4 : 16),
        prefix: field(Route, reply.body, "rtm_dst_len"),
        table: (attributes["RTA_TABLE"] as number | undefined) ?? field(Route, reply.body, "rtm_table"),
        index: (attributes["RTA_OIF"] as number | undefined) ?? 0,
        type: field(Route, reply.body, "rtm_type"),
      };
    });
}
