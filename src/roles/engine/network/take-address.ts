// An address for a new endpoint: the one asked for, or the next free one.
import { type Address, contains, type Family, parseAddress } from "./address.ts";
import { type Block, type Network, OPTION } from "./catalog.ts";
import { NetworkError } from "./types.ts";

export interface Taken {
  address: Address;
  block: Block;
}

function takeWanted({ stored, blocks }: Network, wanted: string, family: Family): Taken {
  const address = parseAddress(wanted);
  if (address?.family !== family) throw new NetworkError(`invalid IPv${family} address: ${wanted}`, 400);
  if (stored.options[OPTION.defaultBridge] === "true" || stored.pools.length === 0) {
    throw new NetworkError("user specified IP address is supported on user defined networks only", 400);
  }
  const block = blocks.find(({ subnet }) => contains(subnet, address));
  if (!block) {
    throw new NetworkError(
      `invalid config for network ${stored.name}: invalid endpoint settings:\nno configured subnet contains IP address ${wanted}`,
      400,
    );
  }
  if (!block.pool.claim(address)) throw new NetworkError("Address already in use", 403);
  return { address, block };
}

/**
 * Takes an address of the network: of the first of its subnets that has one left. Undefined where the network has no subnet of
 * that family. Throws NetworkError with docker's words.
 */
export function takeAddress(network: Network, wanted: string | undefined, family: Family): Taken | undefined {
  if (wanted) return takeWanted(network, wanted, family);
  const { stored } = network;
  const blocks = network.blocks.filter(({ subnet }) => subnet.family === family);
  for (const block of blocks) {
    const address = block.pool.next();
    if (address !== undefined) return { address, block };
  }
  if (blocks.length === 0) return undefined;
  throw new NetworkError(
    `no available IPv${family} addresses on this network's address pools: ${stored.name} (${stored.id})`,
    500,
  );
}
