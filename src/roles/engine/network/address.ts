// IPv4 arithmetic. An address is an unsigned 32-bit number here; bytes and text are made at the border.

/** A block of addresses: `base` has no bit set below the prefix. */
export interface Subnet {
  readonly base: number;
  readonly prefix: number;
}

/** "172.17.0.1" → number; undefined when it is no dotted quad. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

/** Network byte order. */
export function addressBytes(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

export function addressOf(bytes: Uint8Array): number {
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
}

const mask = (prefix: number): number => (prefix === 0 ? 0 : (~0 << (32 - prefix)) >>> 0);

export function subnetOf(address: number, prefix: number): Subnet {
  return { base: (address & mask(prefix)) >>> 0, prefix };
}

/** "172.17.0.1/16" → its address and subnet; undefined when malformed. */
export function parseCidr(text: string): { address: number; subnet: Subnet } | undefined {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const address = match && parseAddress(match[1]!);
  const prefix = Number(match?.[2]);
  if (address === null || address === undefined || prefix > 32) return undefined;
  return { address, subnet: subnetOf(address, prefix) };
}

export const formatSubnet = (subnet: Subnet): string => `${formatAddress(subnet.base)}/${subnet.prefix}`;

/** How many addresses the subnet spans. */
export const sizeOf = (subnet: Subnet): number => 2 ** (32 - subnet.prefix);

/** The subnet's last address, to which broadcasts go. */
export const broadcastOf = (subnet: Subnet): number => subnet.base + sizeOf(subnet) - 1;

export function contains(subnet: Subnet, address: number): boolean {
  return subnetOf(address, subnet.prefix).base === subnet.base;
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.prefix <= other.prefix ? contains(one, other.base) : contains(other, one.base);
}

/** Docker's MAC for an address: 02:42 and its four bytes, so that an address that comes back has the same MAC. */
export function macOf(address: number): string {
  return formatMac(Uint8Array.of(0x02, 0x42, ...addressBytes(address)));
}

export function formatMac(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** "02:42:ac:11:00:02" (or with dashes) → 6 bytes; undefined when malformed. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}
