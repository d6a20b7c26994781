// Networks in the Engine API.
import { z } from "zod";
import { boolean, integer, omitEmpty, string, stringMap, strings } from "./go-json.ts";

const endpointIpam = z.object({
  IPv4Address: omitEmpty(string),
  IPv6Address: omitEmpty(string),
  LinkLocalIPs: omitEmpty(strings),
});

export const endpointSettings = z.object({
  IPAMConfig: endpointIpam.nullable().default(null),
  Links: strings,
  Aliases: strings,
  MacAddress: string,
  DriverOpts: stringMap,
  GwPriority: integer,
  NetworkID: string,
  EndpointID: string,
  Gateway: string,
  IPAddress: string,
  IPPrefixLen: integer,
  IPv6Gateway: string,
  GlobalIPv6Address: string,
  GlobalIPv6PrefixLen: integer,
  DNSNames: strings,
});

export const networkingConfig = z.object({
  EndpointsConfig: z.record(z.string(), endpointSettings).default({}),
});

const ipamConfig = z.object({
  Subnet: omitEmpty(string),
  IPRange: omitEmpty(string),
  Gateway: omitEmpty(string),
  AuxiliaryAddresses: omitEmpty(stringMap),
});

/** Body of POST /networks/create */
export const networkCreate = z.object({
  Name: string,
  CheckDuplicate: z.boolean().optional(),
  Driver: string,
  Scope: string,
  EnableIPv4: z.boolean().optional(),
  EnableIPv6: z.boolean().optional(),
  IPAM: z
    .object({ Driver: string, Options: stringMap, Config: z.array(ipamConfig).nullable().default(null) })
    .optional(),
  Internal: boolean,
  Attachable: boolean,
  Ingress: boolean,
  ConfigOnly: boolean,
  ConfigFrom: z.object({ Network: string }).optional(),
  Options: stringMap,
  Labels: stringMap,
});

/** Body of POST /networks/{id}/connect */
export const networkConnect = z.object({ Container: string, EndpointConfig: endpointSettings.optional() });
/** Body of POST /networks/{id}/disconnect */
export const networkDisconnect = z.object({ Container: string, Force: boolean });

export type EndpointSettings = z.output<typeof endpointSettings>;
export type NetworkingConfig = z.output<typeof networkingConfig>;
export type NetworkCreateBody = z.output<typeof networkCreate>;

export interface IpamConfig {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** GET /networks/{id}; in the list without Containers. */
export interface NetworkInspect {
  Name: string;
  Id: string;
  Created: string;
  Scope: "local";
  Driver: string;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: { Driver: string; Options: Record<string, string> | null; Config: IpamConfig[] | null };
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  ConfigFrom: { Network: string };
  ConfigOnly: boolean;
  Containers: Record<
    string,
    { Name: string; EndpointID: string; MacAddress: string; IPv4Address: string; IPv6Address: string }
  >;
  Options: Record<string, string> | null;
  Labels: Record<string, string> | null;
}
