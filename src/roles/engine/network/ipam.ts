// Which addresses of a subnet are taken: one bit each. It is not stored: the endpoints are, and it follows from them.
import { type Address, broadcastOf, contains, nth, type Subnet, sizeOf } from "./address.ts";

/** Bits allocated at a time: a /8 must not cost 2 MB before its first container, nor a /64 anything at all. */
const CHUNK_BITS = 4096n;

export class AddressPool {
  readonly #chunks = new Map<bigint, Uint8Array>();
  /** Where dynamic addresses come from: the subnet, or a range inside it. */
  readonly #range: Subnet;
  /** No dynamic address below this one is free. */
  #lowest: bigint;

  constructor(
    readonly subnet: Subnet,
    range: Subnet = subnet,
  ) {
    this.#range = range;
    this.#lowest = range.base;
    const size = sizeOf(subnet);
    // Networks of two addresses or one have neither a network address nor a broadcast address (RFC 3021, 6164).
    if (size <= 2n) return;
    // IPv6: the subnet-router anycast address (RFC 4291).
    this.claim(nth(subnet, 0n));
    if (subnet.family === 4) this.claim(broadcastOf(subnet));
  }

  #bit(value: bigint): { chunk: Uint8Array; byte: number; mask: number } {
    const offset = value - this.subnet.base;
    const number = offset / CHUNK_BITS;
    let chunk = this.#chunks.get(number);
    if (!chunk) {
      chunk = new Uint8Array(Number(CHUNK_BITS) / 8);
      this.#chunks.set(number, chunk);
    }
    const within = Number(offset % CHUNK_BITS);
    return { chunk, byte: within >> 3, mask: 1 << (within & 7) };
  }

  taken(address: Address): boolean {
    const { chunk, byte, mask } = this.#bit(address.value);
    return (chunk[byte]! & mask) !== 0;
  }

  /** Takes this address; false when it is taken or outside the subnet. */
  claim(address: Address): boolean {
    if (!contains(this.subnet, address) || this.taken(address)) return false;
    const { chunk, byte, mask } = this.#bit(address.value);
    chunk[byte]! |= mask;
    return true;
  }

  /** Takes the lowest free address; undefined when none is left. */
  next(): Address | undefined {
    const end = this.#range.base + sizeOf(this.#range);
    for (let value = this.#lowest; value < end; value++) {
      const address = { family: this.subnet.family, value };
      if (!this.claim(address)) continue;
      this.#lowest = value + 1n;
      return address;
    }
    this.#lowest = end;
    return undefined;
  }

  free(address: Address): void {
    if (!contains(this.subnet, address)) return;
    const { chunk, byte, mask } = this.#bit(address.value);
    chunk[byte]! &= ~mask;
    if (address.value >= this.#range.base && address.value < this.#lowest) this.#lowest = address.value;
  }
}
