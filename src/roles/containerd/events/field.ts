// Field paths of an envelope for subscribers' filters: topic, namespace, and event.<field> of the packed message.
import { createRegistry, fromBinary } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Envelope } from "../../../wire/containerd/services.ts";
import { file_events_image } from "../../../wire/gen/events/image_pb.ts";
import { file_events_store } from "../../../wire/gen/events/store_pb.ts";
import { file_events_task } from "../../../wire/gen/events/task_pb.ts";

/** The messages that events carry, by name. */
export const eventTypes = createRegistry(file_events_image, file_events_store, file_events_task);

function eventField(envelope: Envelope, path: readonly string[]): string | undefined {
  const schema = eventTypes.getMessage(envelope.event.typeUrl);
  const [name, ...rest] = path;
  const field = schema?.fields.find((one) => one.name === name);
  if (!schema || !field) return undefined;
  let value: unknown;
  try {
    value = reflect(schema, fromBinary(schema, envelope.event.value)).get(field);
  } catch {
    return undefined;
  }
  if (field.fieldKind === "map") {
    const entries = value as { get(key: string): unknown };
    const found = entries.get(rest.join("."));
    return typeof found === "string" ? found : undefined;
  }
  return field.fieldKind === "scalar" && rest.length === 0 ? String(value) : undefined;
}

export function envelopeField(envelope: Envelope, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case "namespace":
      return envelope.namespace;
    case "topic":
      return envelope.topic;
    case "event":
      return eventField(envelope, path.slice(1));
    default:
      return undefined;
  }
}
