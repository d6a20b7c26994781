// D-Bus values as bytes and back, by signature. dbus-specification.html#message-protocol-marshaling. Little endian only: it is
// the sender's choice, and every machine this runs on has it; what others send in big endian is read too.

/** A value with its type, for signature "v". */
export class Variant {
  constructor(
    readonly signature: string,
    readonly value: Value,
  ) {}
}

/** Numbers for y n q i u d, bigints for x t, text for s o g, arrays for a and structs, [key, value] pairs for dictionaries. */
export type Value = number | bigint | boolean | string | Variant | readonly Value[];

const ALIGNMENT: Readonly<Record<string, number>> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  b: 4,
  i: 4,
  u: 4,
  s: 4,
  o: 4,
  a: 4,
  x: 8,
  t: 8,
  d: 8,
  "(": 8,
  "{": 8,
};

/** "sa(sv)u" → ["s", "a(sv)", "u"]. Throws on what is no signature. */
export function completeTypes(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = typeEnd(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function typeEnd(signature: string, at: number): number {
  const code = signature[at];
  if (code === undefined || !(code in ALIGNMENT)) throw new Error(`invalid D-Bus signature ${signature}`);
  if (code === "a") return typeEnd(signature, at + 1);
  if (code !== "(" && code !== "{") return at + 1;
  const close = code === "(" ? ")" : "}";
  let next = at + 1;
  while (signature[next] !== close) next = typeEnd(signature, next);
  return next + 1;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Writer {
  #bytes = new Uint8Array(256);
  length = 0;

  room(size: number, alignment: number): DataView {
    this.length = (this.length + alignment - 1) & -alignment;
    while (this.length + size > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    const view = new DataView(this.#bytes.buffer, this.length, size);
    this.length += size;
    return view;
  }

  text(value: string, lengthSize: 1 | 4): void {
    const bytes = encoder.encode(value);
    const head = this.room(lengthSize, lengthSize);
    if (lengthSize === 1) head.setUint8(0, bytes.length);
    else head.setUint32(0, bytes.length, true);
    this.room(bytes.length + 1, 1);
    this.#bytes.set(bytes, this.length - bytes.length - 1);
  }

  /** Fills in a length that is known only afterwards. */
  patch(at: number, value: number): void {
    new DataView(this.#bytes.buffer).setUint32(at, value, true);
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }
}

/** Numbers of a fixed size. */
const NUMBER: Readonly<Record<string, (view: DataView, value: Value) => void>> = {
  y: (view, value) => view.setUint8(0, value as number),
  n: (view, value) => view.setInt16(0, value as number, true),
  q: (view, value) => view.setUint16(0, value as number, true),
  b: (view, value) => view.setUint32(0, value ? 1 : 0, true),
  i: (view, value) => view.setInt32(0, value as number, true),
  u: (view, value) => view.setUint32(0, value as number, true),
  x: (view, value) => view.setBigInt64(0, BigInt(value as bigint), true),
  t: (view, value) => view.setBigUint64(0, BigInt(value as bigint), true),
  d: (view, value) => view.setFloat64(0, value as number, true),
};

function put(to: Writer, type: string, value: Value): void {
  const code = type[0]!;
  const size = ALIGNMENT[code]!;
  const number = NUMBER[code];
  if (number) number(to.room(size, size), value);
  else if (code === "s" || code === "o") to.text(value as string, 4);
  else if (code === "g") to.text(value as string, 1);
  else if (code === "v") {
    const variant = value as Variant;
    to.text(variant.signature, 1);
    put(to, variant.signature, variant.value);
  } else if (code === "a") {
    to.room(4, 4);
    const lengthAt = to.length - 4;
    const inner = type.slice(1);
    to.room(0, ALIGNMENT[inner[0]!]!);
    const start = to.length;
    for (const one of value as readonly Value[]) put(to, inner, one);
    to.patch(lengthAt, to.length - start);
  } else {
    to.room(0, size);
    completeTypes(type.slice(1, -1)).forEach((member, i) => {
      put(to, member, (value as readonly Value[])[i]!);
    });
  }
}

/** The values of a message's body. */
export function marshal(signature: string, values: readonly Value[]): Uint8Array {
  const to = new Writer();
  completeTypes(signature).forEach((type, i) => {
    put(to, type, values[i]!);
  });
  return to.done();
}

/** The values in `bytes`, which begin where alignment counts from. Throws when they are cut off. */
export function unmarshal(signature: string, bytes: Uint8Array, little = true): Value[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (size: number, alignment: number) => {
    at = (at + alignment - 1) & -alignment;
    const from = at;
    at += size;
    if (at > bytes.length) throw new Error("D-Bus message is cut off");
    return from;
  };
  const text = (length: number) => {
    const from = take(length + 1, 1);
    return decoder.decode(bytes.subarray(from, from + length));
  };
  const get = (type: string): Value => {
    switch (type[0]) {
      case "y":
        return view.getUint8(take(1, 1));
      case "n":
        return view.getInt16(take(2, 2), little);
      case "q":
        return view.getUint16(take(2, 2), little);
      case "b":
        return view.getUint32(take(4, 4), little) !== 0;
      case "i":
        return view.getInt32(take(4, 4), little);
      case "u":
        return view.getUint32(take(4, 4), little);
      case "x":
        return view.getBigInt64(take(8, 8), little);
      case "t":
        return view.getBigUint64(take(8, 8), little);
      case "d":
        return view.getFloat64(take(8, 8), little);
      case "s":
      case "o":
        return text(view.getUint32(take(4, 4), little));
      case "g":
        return text(view.getUint8(take(1, 1)));
      case "v": {
        const inner = text(view.getUint8(take(1, 1)));
        return new Variant(inner, get(inner));
      }
      case "a": {
        const length = view.getUint32(take(4, 4), little);
        take(0, ALIGNMENT[type[1]!]!);
        const end = at + length;
        const items: Value[] = [];
        while (at < end) items.push(get(type.slice(1)));
        return items;
      }
      default:
        take(0, 8);
        return completeTypes(type.slice(1, -1)).map(get);
    }
  };
  return completeTypes(signature).map(get);
}
