// DNS messages, as much as a resolver for containers needs: one question read, answers of address and pointer records
// written. RFC 1035, RFC 6891 (EDNS: how much a client can take).

export const TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41 } as const;
export const CLASS_IN = 1;
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4 } as const;

const HEADER = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE = 0x7800;
/** Without EDNS no more fits into a datagram. */
const PLAIN_UDP = 512;

export interface Question {
  id: number;
  /** As it was asked, without the final dot. */
  name: string;
  type: number;
  class: number;
  /** Where the question section ends. */
  end: number;
  opcode: number;
  recursionDesired: boolean;
  /** Bytes that the client takes in one datagram. */
  udpSize: number;
}

export type Answer =
  | { type: typeof TYPE.A | typeof TYPE.AAAA; data: Uint8Array }
  | { type: typeof TYPE.PTR; name: string };

/** Reads a name at `at`; undefined when malformed. Questions use no compression. */
function readName(bytes: Uint8Array, at: number): { name: string; next: number } | undefined {
  const labels: string[] = [];
  for (let length = 0; at < bytes.length; ) {
    const size = bytes[at]!;
    at++;
    if (size === 0) return { name: labels.join("."), next: at };
    length += size + 1;
    if (size > 63 || length > 255 || at + size > bytes.length) return undefined;
    // latin1: a label is bytes, and comes back as the same bytes.
    labels.push(Buffer.from(bytes.subarray(at, at + size)).toString("latin1"));
    at += size;
  }
  return undefined;
}

/** Looks for an OPT record behind the question, where clients put it when they put nothing else. */
function udpSize(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== 0 || at + 11 > bytes.length) return PLAIN_UDP;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint16(at + 1) === TYPE.OPT ? Math.max(PLAIN_UDP, view.getUint16(at + 3)) : PLAIN_UDP;
}

/** The question of a query; undefined for what is no query with one question. */
export function readQuestion(bytes: Uint8Array): Question | undefined {
  if (bytes.length < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  if (flags & FLAG_RESPONSE || view.getUint16(4) !== 1) return undefined;
  const name = readName(bytes, HEADER);
  if (!name || name.next + 4 > bytes.length) return undefined;
  return {
    id: view.getUint16(0),
    name: name.name,
    type: view.getUint16(name.next),
    class: view.getUint16(name.next + 2),
    end: name.next + 4,
    opcode: (flags & OPCODE) >> 11,
    recursionDesired: (flags & FLAG_RECURSION_DESIRED) !== 0,
    udpSize: udpSize(bytes, name.next + 4),
  };
}

export const idOf = (bytes: Uint8Array): number => (bytes[0]! << 8) | bytes[1]!;

/** A copy with another id. */
export function withId(bytes: Uint8Array, id: number): Uint8Array {
  const copy = bytes.slice();
  copy[0] = id >> 8;
  copy[1] = id & 255;
  return copy;
}

function nameBytes(name: string): Uint8Array {
  const labels = name.split(".").filter((label) => label !== "");
  const bytes = Buffer.alloc(labels.reduce((sum, label) => sum + 1 + Math.min(label.length, 63), 1));
  let at = 0;
  for (const label of labels) {
    const text = label.slice(0, 63);
    bytes[at] = text.length;
    bytes.write(text, at + 1, "latin1");
    at += 1 + text.length;
  }
  return bytes;
}

/** One record about the name that was asked for (a pointer to it: 0xc00c). */
function record(answer: Answer, ttl: number): Uint8Array {
  const data = "data" in answer ? answer.data : nameBytes(answer.name);
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xc000 | HEADER);
  view.setUint16(2, answer.type);
  view.setUint16(4, CLASS_IN);
  view.setUint32(6, ttl);
  view.setUint16(10, data.length);
  bytes.set(data, 12);
  return bytes;
}

/**
 * A reply to the query. `limit`: bytes that fit; what does not is left out and the reply is marked as truncated, so that the
 * client asks again over TCP.
 */
export function reply(
  query: Uint8Array,
  question: Question,
  rcode: number,
  answers: readonly Answer[] = [],
  options: { ttl?: number; limit?: number } = {},
): Uint8Array {
  const records = answers.map((answer) => record(answer, options.ttl ?? 0));
  const fitting: Uint8Array[] = [];
  let length = question.end;
  for (const bytes of records) {
    if (length + bytes.length > (options.limit ?? 0xffff)) break;
    length += bytes.length;
    fitting.push(bytes);
  }
  const bytes = new Uint8Array(length);
  bytes.set(query.subarray(0, question.end));
  const view = new DataView(bytes.buffer);
  view.setUint16(
    2,
    FLAG_RESPONSE |
      (question.opcode << 11) |
      FLAG_RECURSION_AVAILABLE |
      (question.recursionDesired ? FLAG_RECURSION_DESIRED : 0) |
      (fitting.length < records.length ? FLAG_TRUNCATED : 0) |
      rcode,
  );
  view.setUint16(6, fitting.length);
  view.setUint32(8, 0);
  let at = question.end;
  for (const part of fitting) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The address that an in-addr.arpa or ip6.arpa name is about, as its bytes; undefined for other names. */
export function reversedAddress(name: string): Uint8Array | undefined {
  const labels = name.toLowerCase().split(".").reverse();
  if (labels[0] !== "arpa") return undefined;
  if (labels[1] === "in-addr" && labels.length === 6) {
    const parts = labels.slice(2).map(Number);
    return parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256)
      ? Uint8Array.from(parts)
      : undefined;
  }
  if (labels[1] !== "ip6" || labels.length !== 34) return undefined;
  const digits = labels.slice(2).join("");
  return /^[0-9a-f]{32}$/.test(digits) ? Uint8Array.from(Buffer.from(digits, "hex")) : undefined;
}
