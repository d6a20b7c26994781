// What the resolver itself knows of a question: names and addresses of the networks that the asking container is on.
import { type Answer, CLASS_IN, type Question, reversedAddress, TYPE } from "../../wire/dns/message.ts";
import type { EndpointFile } from "../../wire/keeper/record.ts";
import type { Table } from "./table.ts";

/** As docker's: names change when containers do, and clients ask again. */
export const TTL = 600;

function bytesOf(address: string): Uint8Array {
  if (!address.includes(":")) return Uint8Array.from(address.split("."), Number);
  const [head = "", tail] = address.split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? "")];
  const middle = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => 0);
  return Uint8Array.from([...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 255]));
}

/** So that clients that take the first one share the work out. */
function shuffled<T>(list: readonly T[]): T[] {
  const mixed = [...list];
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other]!, mixed[at]!];
  }
  return mixed;
}

/** Everybody whom the container can mean by the name: by its links, then on its networks in their order. */
function meant(table: Table, own: readonly EndpointFile[], name: string): EndpointFile[] {
  const plain = name.toLowerCase();
  for (const { endpoint, resolver } of own) {
    const target = Object.entries(resolver?.links ?? {}).find(
      ([alias]) => alias.toLowerCase() === plain,
    )?.[1];
    if (target === undefined) continue;
    const linked = table
      .all()
      .filter(
        (other) =>
          other.endpoint.networkId === endpoint.networkId &&
          (other.endpoint.containerName === target || other.endpoint.containerId.startsWith(target)),
      );
    if (linked.length > 0) return linked;
  }
  for (const { endpoint } of own) {
    const found = table.named(endpoint.networkId, plain);
    if (found.length > 0) return found;
  }
  // NAME.NETWORK names one of the container's networks.
  for (const { endpoint } of own) {
    const suffix = `.${endpoint.networkName.toLowerCase()}`;
    if (!plain.endsWith(suffix)) continue;
    const found = table.named(endpoint.networkId, plain.slice(0, -suffix.length));
    if (found.length > 0) return found;
  }
  return [];
}

function pointer(table: Table, own: readonly EndpointFile[], address: Uint8Array): Answer[] {
  const networks = new Set(own.map(({ endpoint }) => endpoint.networkId));
  const same = (text: string) => text !== "" && Buffer.compare(bytesOf(text), address) === 0;
  return table
    .all()
    .filter(
      ({ endpoint }) =>
        networks.has(endpoint.networkId) && (same(endpoint.ipAddress) || same(endpoint.ip6Address)),
    )
    .map(({ endpoint }) => ({ type: TYPE.PTR, name: `${endpoint.containerName}.${endpoint.networkName}` }));
}

/**
 * The answers to a container's question; empty where the name is known but has nothing of that type; undefined where somebody
 * else has to be asked. `own` are the container's endpoints.
 */
export function answer(table: Table, own: readonly EndpointFile[], question: Question): Answer[] | undefined {
  if (question.class !== CLASS_IN) return undefined;
  if (question.type === TYPE.PTR) {
    const address = reversedAddress(question.name);
    const found = address ? pointer(table, own, address) : [];
    return found.length > 0 ? found : undefined;
  }
  const found = meant(table, own, question.name);
  if (found.length === 0) return undefined;
  const addresses = found.map(({ endpoint }) =>
    question.type === TYPE.A ? endpoint.ipAddress : question.type === TYPE.AAAA ? endpoint.ip6Address : "",
  );
  const type = question.type === TYPE.AAAA ? TYPE.AAAA : TYPE.A;
  return shuffled(addresses.filter((text) => text !== "")).map((text) => ({ type, data: bytesOf(text) }));
}
