// --gpus all|N|"device=0,capabilities=utility" → the API's DeviceRequest.
import { csvFields } from "./csv.ts";
import { keyValues } from "./files.ts";

export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: string[][];
  Options: Record<string, string>;
}

function count(text: string): number {
  if (text === "all") return -1;
  if (!/^\d+$/.test(text))
    throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  return Number(text);
}

/** One --gpus. Throws with docker's words. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = { Driver: "", Count: 0, DeviceIDs: null, Capabilities: [], Options: {} };
  const seen = new Set<string>();
  let counted = false;
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    const key = equals < 0 ? "count" : field.slice(0, equals);
    const value = field.slice(equals + 1);
    if (seen.has(key)) throw new Error(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    switch (key) {
      case "count":
        request.Count = count(value);
        counted = true;
        break;
      case "driver":
        request.Driver = value;
        break;
      case "device":
        request.DeviceIDs = value.split(",");
        break;
      case "capabilities":
        request.Capabilities = [[...value.split(","), "gpu"]];
        break;
      case "options":
        request.Options = keyValues(csvFields(value));
        break;
      default:
        throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  if (!counted && request.DeviceIDs === null) request.Count = 1;
  if (request.Capabilities.length === 0) request.Capabilities = [["gpu"]];
  return request;
}
