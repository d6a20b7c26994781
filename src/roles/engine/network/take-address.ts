// An address for a new endpoint: the one asked for, or the next free one.
import { type Address, contains, parseAddress } from "./address.ts";
import { type Block, type Network, OPTION } from "./catalog.ts";
import { NetworkError } from "./types.ts";

/** Takes an address of the block; undefined where the network has no block of that family. Throws NetworkError with docker's words. */
export function takeAddress(
  { stored }: Network,
  block: Block | undefined,
  wanted: string | undefined,
  family: 4 | 6,
): Address | undefined {
  if (!wanted) {
    if (!block) return undefined;
    const address = block.pool.next();
    if (address === undefined) {
      throw new NetworkError(
        `no available IPv${family} addresses on this network's address pools: ${stored.name} (${stored.id})`,
        500,
      );
    }
    return address;
  }
  const address = parseAddress(wanted);
  if (address?.family !== family) throw new NetworkError(`invalid IPv${family} address: ${wanted}`, 400);
  if (stored.options[OPTION.defaultBridge] === "true" || stored.pools.length === 0) {
    throw new NetworkError("user specified IP address is supported on user defined networks only", 400);
  }
  if (!block || !contains(block.subnet, address)) {
    throw new NetworkError(
      `invalid config for network ${stored.name}: invalid endpoint settings:\nno configured subnet contains IP address ${wanted}`,
      400,
    );
  }
  if (!block.pool.claim(address)) throw new NetworkError("Address already in use", 403);
  return address;
}
