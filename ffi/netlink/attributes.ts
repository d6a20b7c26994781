// Netlink attributes as data: a table names each attribute's number and type, one encoder and one decoder serve them all.
// Layout on the wire: u16 length (header included), u16 type, payload, padding to four bytes. man 7 rtnetlink.
import { NLA_F_NESTED, NLA_TYPE_MASK } from "../constants/netlink.ts";

/** A fixed struct that stands before the attributes of a nest (VETH_INFO_PEER starts with a struct ifinfomsg). */
interface Prefixed {
  prefix: number;
  table: Table;
}

/** A nest whose table depends on a sibling that stands before it (IFLA_INFO_DATA by IFLA_INFO_KIND). */
interface Chosen {
  by: string;
  of: Readonly<Record<string, Table>>;
}

export type AttributeType =
  | "u8"
  | "u16"
  | "u32"
  | "i32"
  | "be16"
  | "be32"
  | "be64"
  /** NUL-terminated. */
  | "string"
  | "bytes"
  | { nest: Table }
  | Prefixed
  | Chosen
  /** A nest of equal items, each an attribute with this number. */
  | { list: number; item: Table };

/** Attribute name → [number, type]. Names are C's. */
export type Table = Readonly<Record<string, readonly [number, AttributeType]>>;

export type Value = number | bigint | string | Uint8Array | Attributes | readonly Attributes[];
export interface Attributes {
  readonly [name: string]: Value | undefined;
}

/** The struct of a `Prefixed` nest travels under this name. */
export const PREFIX = "(struct)";

const HEADER = 4;
const align = (length: number): number => (length + 3) & ~3;
const utf8 = new TextEncoder();
const text = new TextDecoder();

function scalar(size: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  write(new DataView(bytes.buffer));
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function wrap(type: number, payload: Uint8Array): Uint8Array {
  const length = HEADER + payload.length;
  if (length > 0xffff) throw new RangeError(`netlink attribute ${type} of ${payload.length} bytes: too long`);
  const bytes = new Uint8Array(align(length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, HEADER);
  return bytes;
}

function tableOf(type: Chosen, siblings: Attributes): Table {
  const choice = siblings[type.by];
  return (typeof choice === "string" ? type.of[choice] : undefined) ?? {};
}

function encodeValue(name: string, number: number, type: AttributeType, value: Value, siblings: Attributes) {
  const nested = (payload: Uint8Array) => wrap(number | NLA_F_NESTED, payload);
  if (typeof type === "object") {
    if ("nest" in type) return nested(encodeAttributes(type.nest, value as Attributes));
    if ("list" in type) {
      const items = value as readonly Attributes[];
      return nested(
        concat(items.map((item) => wrap(type.list | NLA_F_NESTED, encodeAttributes(type.item, item)))),
      );
    }
    if ("by" in type) return nested(encodeAttributes(tableOf(type, siblings), value as Attributes));
    const { [PREFIX]: struct, ...attributes } = value as Attributes;
    return nested(concat([struct as Uint8Array, encodeAttributes(type.table, attributes)]));
  }
  switch (type) {
    case "string":
      return wrap(number, utf8.encode(`${value as string}\0`));
    case "bytes":
      return wrap(number, value as Uint8Array);
  }
  if (typeof value !== "number" && typeof value !== "bigint") throw new TypeError(`${name} takes a number`);
  return wrap(number, encodeScalar(type, value));
}

function encodeScalar(type: Exclude<AttributeType, object | "string" | "bytes">, value: number | bigint) {
  const number = Number(value);
  switch (type) {
    case "u8":
      return Uint8Array.of(number);
    case "u16":
      return scalar(2, (view) => view.setUint16(0, number, true));
    case "be16":
      return scalar(2, (view) => view.setUint16(0, number, false));
    case "u32":
    case "i32":
      return scalar(4, (view) => view.setInt32(0, number, true));
    case "be32":
      return scalar(4, (view) => view.setInt32(0, number, false));
    case "be64":
      return scalar(8, (view) => view.setBigInt64(0, BigInt(value), false));
  }
}

/** Attributes in the order given. An undefined value is left out. Throws on a name that the table lacks. */
export function encodeAttributes(table: Table, attributes: Attributes): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    const entry = table[name];
    if (!entry) throw new TypeError(`no netlink attribute ${name} in this table`);
    parts.push(encodeValue(name, entry[0], entry[1], value, attributes));
  }
  return concat(parts);
}

const inverted = new WeakMap<Table, Map<number, readonly [string, AttributeType]>>();

function byNumber(table: Table): Map<number, readonly [string, AttributeType]> {
  let map = inverted.get(table);
  if (!map) {
    map = new Map(Object.entries(table).map(([name, [number, type]]) => [number, [name, type]]));
    inverted.set(table, map);
  }
  return map;
}

/** Walks raw attributes: [type without flags, payload]. Stops at a malformed length. */
export function* walk(bytes: Uint8Array): Generator<[number, Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < HEADER || at + length > bytes.length) return;
    yield [view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + HEADER, at + length)];
    at += align(length);
  }
}

function decodeValue(type: AttributeType, bytes: Uint8Array, siblings: Attributes): Value {
  if (typeof type === "object") {
    if ("nest" in type) return decodeAttributes(type.nest, bytes);
    if ("list" in type) {
      return [...walk(bytes)]
        .filter(([number]) => number === type.list)
        .map(([, item]) => decodeAttributes(type.item, item));
    }
    if ("by" in type) return decodeAttributes(tableOf(type, siblings), bytes);
    return {
      [PREFIX]: bytes.slice(0, type.prefix),
      ...decodeAttributes(type.table, bytes.subarray(type.prefix)),
    };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case "u8":
      return view.getUint8(0);
    case "u16":
      return view.getUint16(0, true);
    case "be16":
      return view.getUint16(0, false);
    case "u32":
      return view.getUint32(0, true);
    case "i32":
      return view.getInt32(0, true);
    case "be32":
      return view.getUint32(0, false);
    case "be64":
      return Number(view.getBigUint64(0, false));
    case "string": {
      const end = bytes.indexOf(0);
      return text.decode(end < 0 ? bytes : bytes.subarray(0, end));
    }
    case "bytes":
      return bytes.slice();
  }
}

/** What the table knows of the bytes; attributes that it does not name are skipped. Of repeated ones the last counts. */
export function decodeAttributes(table: Table, bytes: Uint8Array): Attributes {
  const known = byNumber(table);
  const attributes: Record<string, Value> = {};
  for (const [number, payload] of walk(bytes)) {
    const entry = known.get(number);
    if (entry) attributes[entry[0]] = decodeValue(entry[1], payload, attributes);
  }
  return attributes;
}
