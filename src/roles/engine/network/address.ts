// IPv4 and IPv6 arithmetic. An address is its family and an unsigned number here; bytes and text are made at the border.

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** A block of addresses: `base` has no bit set below the prefix. */
export interface Subnet {
  readonly family: Family;
  readonly base: bigint;
  readonly prefix: number;
}

export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

function parse4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256n + BigInt(part);
  }
  return value;
}

/** Hexadecimal groups of one side of "::"; undefined when malformed. A dotted quad may end it. */
function groups(text: string): bigint[] | undefined {
  if (text === "") return [];
  const found: bigint[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    const quad = at === parts.length - 1 && part.includes(".") ? parse4(part) : undefined;
    if (quad !== undefined) found.push(quad >> 16n, quad & 0xffffn);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) found.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return found;
}

function parse6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!);
  const tail = halves.length === 2 ? groups(halves[1]!) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return all.reduce((value, group) => (value << 16n) | group, 0n);
}

/** "172.17.0.1" or "fd00::1" → address; undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  const family = text.includes(":") ? 6 : 4;
  const value = family === 4 ? parse4(text) : parse6(text);
  return value === undefined ? undefined : { family, value };
}

/** RFC 5952: the longest run of zero groups (of two or more, the first of equals) is shortened. */
function format6(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && parts[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const text = (some: number[]) => some.map((part) => part.toString(16)).join(":");
  if (best.at < 0) return text(parts);
  return `${text(parts.slice(0, best.at))}::${text(parts.slice(best.at + best.length))}`;
}

export function formatAddress({ family, value }: Address): string {
  if (family === 6) return format6(value);
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
}

/** Network byte order: 4 bytes or 16. */
export function addressBytes({ family, value }: Address): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

export function addressOf(bytes: Uint8Array): Address {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

export const sameAddress = (one: Address, other: Address): boolean =>
  one.family === other.family && one.value === other.value;

/** How many addresses the subnet spans. */
export const sizeOf = (subnet: Subnet): bigint => 1n << BigInt(bitsOf(subnet.family) - subnet.prefix);

export function subnetOf({ family, value }: Address, prefix: number): Subnet {
  const host = BigInt(bitsOf(family) - prefix);
  return { family, base: (value >> host) << host, prefix };
}

/** "172.17.0.1/16" → its address and subnet; undefined when malformed. */
export function parseCidr(text: string): { address: Address; subnet: Subnet } | undefined {
  const match = /^([\d.]+|[\da-f:.]*:[\da-f:.]*)\/(\d{1,3})$/i.exec(text);
  const address = match ? parseAddress(match[1]!) : undefined;
  const prefix = Number(match?.[2]);
  if (!address || prefix > bitsOf(address.family)) return undefined;
  return { address, subnet: subnetOf(address, prefix) };
}

/** The subnet's address number `n`, counted from its base. */
export const nth = (subnet: Subnet, n: bigint): Address => ({
  family: subnet.family,
  value: subnet.base + n,
});

export const formatSubnet = (subnet: Subnet): string =>
  `${formatAddress({ family: subnet.family, value: subnet.base })}/${subnet.prefix}`;

/** The subnet's last address, to which IPv4 broadcasts go. */
export const broadcastOf = (subnet: Subnet): Address => nth(subnet, sizeOf(subnet) - 1n);

export function contains(subnet: Subnet, address: Address): boolean {
  return subnet.family === address.family && subnetOf(address, subnet.prefix).base === subnet.base;
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.prefix <= other.prefix ? contains(one, nth(other, 0n)) : contains(other, nth(one, 0n));
}

/** Docker's MAC for an IPv4 address: 02:42 and its four bytes, so that an address that comes back has the same MAC. */
export function macOf(address: Address): string {
  return formatMac(Uint8Array.of(0x02, 0x42, ...addressBytes(address).subarray(-4)));
}

export function formatMac(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** "02:42:ac:11:00:02" (or with dashes) → 6 bytes; undefined when malformed. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}
