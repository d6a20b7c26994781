// Protobuf by table: a message is its field table, and one encoder and one decoder walk it. The shim starts for every
// container and @bufbuild/protobuf with its descriptors costs it ~20 ms of import; this file costs next to nothing.
// test/ttrpc/messages.test.ts holds every table against the descriptors generated from our proto files.

export type Scalar =
  | "string"
  | "bytes"
  | "bool"
  | "uint32"
  | "int32"
  | "enum"
  | "uint64"
  | "int64"
  | "double"
  /** map<string, string>, the only kind of map that these APIs use. */
  | "map";

export type Kind = Scalar | MessageType | readonly [Scalar | MessageType];
/** Field name → [number, kind]; a kind in brackets is repeated. */
export type Fields = { readonly [name: string]: readonly [number, Kind] };

export interface MessageType<F extends Fields = Fields> {
  /** Full protobuf name. */
  readonly name: string;
  readonly fields: F;
}

type One<K> = K extends "string"
  ? string
  : K extends "bytes"
    ? Uint8Array
    : K extends "bool"
      ? boolean
      : K extends "uint32" | "int32" | "enum" | "double"
        ? number
        : K extends "uint64" | "int64"
          ? bigint
          : K extends "map"
            ? Record<string, string>
            : K extends MessageType<infer F>
              ? { [N in keyof F]: Value<F[N][1]> }
              : never;
type Value<K> = K extends readonly [infer E] ? One<E>[] : K extends MessageType ? One<K> | undefined : One<K>;
type InitOne<K> = K extends MessageType<infer F> ? { readonly [N in keyof F]?: InitValue<F[N][1]> } : One<K>;
type InitValue<K> = K extends readonly [infer E] ? readonly InitOne<E>[] : InitOne<K> | undefined;

/** A decoded message: absent scalars have protobuf's zero values, absent messages are undefined. */
export type Message<T extends MessageType> = One<T>;
/** What may be encoded as a message: every field optional. */
export type Init<T extends MessageType> = InitOne<T>;

/** Declares a message. */
export function message<const F extends Fields>(name: string, fields: F): MessageType<F> {
  return { name, fields };
}

const text = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  #room(n: number): void {
    if (this.#length + n <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + n));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  varint(value: number | bigint): void {
    this.#room(10);
    if (typeof value === "number" && value >= 0 && value <= 0xffffffff) {
      let rest = value;
      while (rest > 127) {
        this.#bytes[this.#length++] = (rest % 128) | 128;
        rest = Math.floor(rest / 128);
      }
      this.#bytes[this.#length++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  double(value: number): void {
    this.#room(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  block(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

function put(out: Writer, number: number, kind: Scalar | MessageType, value: unknown, always: boolean): void {
  if (typeof kind === "object") {
    out.tag(number, 2);
    out.block(encodeFields(kind, value as Record<string, unknown>));
    return;
  }
  switch (kind) {
    case "string":
      if (!always && value === "") return;
      out.tag(number, 2);
      out.block(text.encode(value as string));
      return;
    case "bytes":
      if (!always && (value as Uint8Array).length === 0) return;
      out.tag(number, 2);
      out.block(value as Uint8Array);
      return;
    case "bool":
      if (!always && !value) return;
      out.tag(number, 0);
      out.varint(value ? 1 : 0);
      return;
    case "double":
      if (!always && value === 0) return;
      out.tag(number, 1);
      out.double(value as number);
      return;
    case "map":
      for (const [key, entry] of Object.entries(value as Record<string, string>)) {
        const pair = new Writer();
        put(pair, 1, "string", key, true);
        put(pair, 2, "string", entry, true);
        out.tag(number, 2);
        out.block(pair.finish());
      }
      return;
    default:
      if (!always && Number(value) === 0) return;
      out.tag(number, 0);
      out.varint(value as number | bigint);
  }
}

const packable = new Set<unknown>(["bool", "uint32", "int32", "enum", "uint64", "int64"]);

function encodeFields(type: MessageType, value: Record<string, unknown>): Uint8Array {
  const out = new Writer();
  for (const name in type.fields) {
    const given = value[name];
    if (given === undefined || given === null) continue;
    const [number, kind] = type.fields[name]!;
    if (typeof kind === "object" && Array.isArray(kind)) {
      const element = kind[0] as Scalar | MessageType;
      const list = given as readonly unknown[];
      if (list.length === 0) continue;
      if (packable.has(element)) {
        const packed = new Writer();
        for (const item of list) packed.varint(typeof item === "boolean" ? Number(item) : (item as number));
        out.tag(number, 2);
        out.block(packed.finish());
      } else for (const item of list) put(out, number, element, item, true);
    } else put(out, number, kind as Scalar | MessageType, given, false);
  }
  return out.finish();
}

/** The message's bytes. Zero values are left out, as proto3 says. */
export function encode<T extends MessageType>(type: T, value: Init<T>): Uint8Array {
  return encodeFields(type, value as Record<string, unknown>);
}

/** Bytes that are no such message. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

class Reader {
  at = 0;
  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
  ) {}

  fail(why: string): never {
    throw new DecodeError(`cannot decode ${this.what}: ${why}`);
  }

  varint(): bigint | number {
    let low = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) this.fail("unexpected end");
      if (i === 7) return this.#long(byte, low);
      low += (byte & 127) * factor;
      if (byte < 128) return low;
      factor *= 128;
    }
    return this.fail("varint too long");
  }

  /** Bytes eight to ten of a varint: beyond what a double holds exactly. */
  #long(eighth: number, low: number): bigint {
    let value = BigInt(low) | (BigInt(eighth & 127) << 49n);
    let byte = eighth;
    for (let shift = 56n; byte > 127; shift += 7n) {
      if (shift > 63n) this.fail("varint too long");
      byte = this.bytes[this.at++] ?? this.fail("unexpected end");
      value |= BigInt(byte & 127) << shift;
    }
    return BigInt.asUintN(64, value);
  }

  block(): Uint8Array {
    const length = Number(this.varint());
    if (length > this.bytes.length - this.at)
      this.fail(`a field of ${length} bytes exceeds the message's ${this.bytes.length}`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  double(): number {
    if (this.at + 8 > this.bytes.length) this.fail("unexpected end");
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at, 8);
    this.at += 8;
    return view.getFloat64(0, true);
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.block();
    else if (wireType === 5) this.at += 4;
    else this.fail(`wire type ${wireType}`);
    if (this.at > this.bytes.length) this.fail("unexpected end");
  }
}

function zero(kind: Kind): unknown {
  if (typeof kind === "object") return Array.isArray(kind) ? [] : undefined;
  switch (kind) {
    case "string":
      return "";
    case "bytes":
      return new Uint8Array();
    case "bool":
      return false;
    case "uint64":
    case "int64":
      return 0n;
    case "map":
      return {};
    default:
      return 0;
  }
}

function wireTypeOf(kind: Scalar | MessageType): number {
  if (typeof kind === "object" || kind === "string" || kind === "bytes" || kind === "map") return 2;
  return kind === "double" ? 1 : 0;
}

function take(from: Reader, kind: Scalar | MessageType): unknown {
  if (typeof kind === "object") return decodeFields(kind, from.block());
  switch (kind) {
    case "string":
      return utf8.decode(from.block());
    case "bytes":
      return from.block();
    case "bool":
      return Number(from.varint()) !== 0;
    case "uint32":
      return Number(BigInt.asUintN(32, BigInt(from.varint())));
    case "int32":
    case "enum":
      return Number(BigInt.asIntN(32, BigInt(from.varint())));
    case "uint64":
      return BigInt(from.varint());
    case "int64":
      return BigInt.asIntN(64, BigInt(from.varint()));
    case "double":
      return from.double();
    case "map":
      return decodeFields(Pair, from.block());
  }
}

const Pair = message("map entry", { key: [1, "string"], value: [2, "string"] });

/** field number → name, made once a type. */
const numbers = new WeakMap<MessageType, Map<number, string>>();

function decodeFields(type: MessageType, bytes: Uint8Array): Record<string, unknown> {
  let byNumber = numbers.get(type);
  if (!byNumber) {
    byNumber = new Map(Object.entries(type.fields).map(([name, [number]]) => [number, name]));
    numbers.set(type, byNumber);
  }
  const value: Record<string, unknown> = {};
  for (const name in type.fields) value[name] = zero(type.fields[name]![1]);
  const from = new Reader(bytes, type.name);
  while (from.at < bytes.length) {
    const tag = Number(from.varint());
    const wireType = tag % 8;
    const number = Math.floor(tag / 8);
    if (number === 0) from.fail("field number 0");
    const name = byNumber.get(number);
    if (name === undefined) {
      from.skip(wireType);
      continue;
    }
    const kind = type.fields[name]![1];
    const repeated = typeof kind === "object" && Array.isArray(kind);
    const element = (repeated ? (kind as readonly [Scalar | MessageType])[0] : kind) as Scalar | MessageType;
    if (repeated && wireType === 2 && packable.has(element)) {
      const packed = new Reader(from.block(), type.name);
      while (packed.at < packed.bytes.length) (value[name] as unknown[]).push(take(packed, element));
      continue;
    }
    if (wireType !== wireTypeOf(element)) from.fail(`field ${name} has wire type ${wireType}`);
    const taken = take(from, element);
    if (repeated) (value[name] as unknown[]).push(taken);
    else if (element === "map") {
      const pair = taken as { key: string; value: string };
      Object.defineProperty(value[name], pair.key, {
        value: pair.value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    } else value[name] = taken;
  }
  return value;
}

/** Reads a message. Unknown fields are skipped. Byte fields are views into `bytes`. Throws DecodeError. */
export function decode<T extends MessageType>(type: T, bytes: Uint8Array): Message<T> {
  return decodeFields(type, bytes) as Message<T>;
}
