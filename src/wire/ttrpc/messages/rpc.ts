// What a ttrpc frame carries. src/wire/proto/rpc.
import { message } from "../codec.ts";
import { Any } from "./well-known.ts";

export const Status = message("google.rpc.Status", {
  code: [1, "int32"],
  message: [2, "string"],
  details: [3, [Any]],
});
export const KeyValue = message("ttrpc.KeyValue", { key: [1, "string"], value: [2, "string"] });
export const Request = message("ttrpc.Request", {
  service: [1, "string"],
  method: [2, "string"],
  payload: [3, "bytes"],
  timeoutNano: [4, "int64"],
  metadata: [5, [KeyValue]],
});
export const Response = message("ttrpc.Response", { status: [1, Status], payload: [2, "bytes"] });
