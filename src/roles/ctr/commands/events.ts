import { createRegistry, type DescMessage, fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { AnyValue } from "../../../wire/containerd/services.ts";
import { file_events_image } from "../../../wire/gen/events/image_pb.ts";
import { file_events_store } from "../../../wire/gen/events/store_pb.ts";
import { file_events_task } from "../../../wire/gen/events/task_pb.ts";
import type { Command } from "../command.ts";
import { goTime } from "../format.ts";

const types = createRegistry(file_events_image, file_events_store, file_events_task);

/** containerd's own types travel under their bare names; JSON wants a URL. */
const withoutAny = (schema: DescMessage, value: Uint8Array): JsonValue | undefined => {
  try {
    return toJson(schema, fromBinary(schema, value), { useProtoFieldName: true, registry: types });
  } catch {
    return undefined;
  }
};

function text(event: AnyValue): string {
  const schema = types.getMessage(event.typeUrl.split("/").at(-1)!);
  const shown = schema && withoutAny(schema, event.value);
  return JSON.stringify(
    shown ?? { type_url: event.typeUrl, value: Buffer.from(event.value).toString("base64") },
  );
}

export const events: Command = {
  names: ["events", "event"],
  about: "display containerd events",
  use: "[<filter>, ...]",
  async run({ services, args, out }) {
    const abort = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());
    const stream = (await services()).events.subscribe(args, abort.signal);
    for await (const { timestamp, namespace, topic, event } of stream) {
      out(`${goTime(timestamp)} ${namespace} ${topic} ${text(event)}\n`);
    }
    return 0;
  },
};
