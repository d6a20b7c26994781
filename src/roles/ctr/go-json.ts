// A protobuf message as Go's encoding/json writes it: field names of the .proto, numbers as numbers, zeroes left out, messages
// that are there written even when empty.
import { type DescMessage, isMessage, type MessageShape } from "@bufbuild/protobuf";

/** ECMAScript's JSON.rawJSON, which the type definitions do not know yet. */
const exact = (value: bigint): unknown =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(`${value}`);

/** A plain value for JSON.stringify. 64-bit numbers beyond 2^53 are written exactly, with JSON.rawJSON. */
export function goJson<T extends DescMessage>(schema: T, message: MessageShape<T>): unknown {
  const result: Record<string, unknown> = {};
  for (const { name, localName, fieldKind, message: inner } of schema.fields.map((field) => ({
    name: field.name,
    localName: field.localName,
    fieldKind: field.fieldKind,
    message: field.message,
  }))) {
    const value = (message as Record<string, unknown>)[localName];
    const plain = (one: unknown): unknown => {
      if (inner && isMessage(one)) return goJson(inner, one as MessageShape<DescMessage>);
      return typeof one === "bigint" ? exact(one) : one;
    };
    if (value === undefined) continue;
    if (fieldKind === "list") {
      const list = value as unknown[];
      if (list.length > 0) result[name] = list.map(plain);
    } else if (fieldKind === "message") result[name] = plain(value);
    else if (value !== 0n && value !== 0 && value !== "" && value !== false) result[name] = plain(value);
  }
  return result;
}
