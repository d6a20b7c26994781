// D-Bus messages: the header with its fields, and the body. dbus-specification.html#message-protocol-messages
import { marshal, unmarshal, type Value, Variant } from "./marshal.ts";

export const TYPE = { call: 1, return: 2, error: 3, signal: 4 } as const;

export interface Message {
  type: number;
  serial: number;
  path?: string;
  interface?: string;
  member?: string;
  /** Name of an error. */
  error?: string;
  replyTo?: number;
  destination?: string;
  sender?: string;
  signature: string;
  body: Value[];
}

/** Header fields by their codes. */
const FIELDS = [
  [1, "path", "o"],
  [2, "interface", "s"],
  [3, "member", "s"],
  [4, "error", "s"],
  [5, "replyTo", "u"],
  [6, "destination", "s"],
  [7, "sender", "s"],
] as const;
const SIGNATURE = 8;
/** Bytes up to and with the length of the fields. */
export const FIXED = 16;
const HEADER = "yyyyuua(yv)";

export function encodeMessage(message: Message): Uint8Array {
  const body = marshal(message.signature, message.body);
  const fields: Value[] = FIELDS.flatMap(([code, name, type]) =>
    message[name] === undefined ? [] : [[code, new Variant(type, message[name])]],
  );
  if (message.signature) fields.push([SIGNATURE, new Variant("g", message.signature)]);
  const header = marshal(HEADER, [
    "l".charCodeAt(0),
    message.type,
    0,
    1,
    body.length,
    message.serial,
    fields,
  ]);
  const padded = (header.length + 7) & ~7;
  const bytes = new Uint8Array(padded + body.length);
  bytes.set(header);
  bytes.set(body, padded);
  return bytes;
}

/** Length of the message that begins with these (at least FIXED) bytes. Throws on what is no message. */
export function messageLength(bytes: Uint8Array): number {
  const little = isLittle(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = view.getUint32(12, little);
  const body = view.getUint32(4, little);
  const length = ((FIXED + fields + 7) & ~7) + body;
  if (length > 1 << 27) throw new Error(`D-Bus message of ${length} bytes is too long`);
  return length;
}

function isLittle(bytes: Uint8Array): boolean {
  const mark = String.fromCharCode(bytes[0]!);
  if (mark !== "l" && mark !== "B") throw new Error("not a D-Bus message");
  return mark === "l";
}

export function decodeMessage(bytes: Uint8Array): Message {
  const little = isLittle(bytes);
  const [, type, , , bodyLength, serial, fields] = unmarshal(HEADER, bytes, little) as [
    number,
    number,
    number,
    number,
    number,
    number,
    [number, Variant][],
  ];
  const message: Message = { type, serial, signature: "", body: [] };
  for (const [code, { value }] of fields) {
    if (code === SIGNATURE) message.signature = value as string;
    const field = FIELDS.find(([known]) => known === code);
    if (field) Object.assign(message, { [field[1]]: value });
  }
  // The body's own alignment starts anew, which the header's padding to 8 makes the same.
  message.body = unmarshal(message.signature, bytes.slice(bytes.length - bodyLength), little);
  return message;
}
