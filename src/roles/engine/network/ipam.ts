// Which addresses of a subnet are taken: one bit each. It is not stored: the endpoints are, and it follows from them.
import { broadcastOf, contains, type Subnet, sizeOf } from "./address.ts";

/** Bits allocated at a time: a /8 must not cost 2 MB before its first container. */
const CHUNK_BITS = 4096;

export class AddressPool {
  readonly #chunks = new Map<number, Uint8Array>();
  /** Where dynamic addresses come from: the subnet, or a range inside it. */
  readonly #range: Subnet;
  /** No dynamic address below this one is free. */
  #lowest: number;

  constructor(
    readonly subnet: Subnet,
    range: Subnet = subnet,
  ) {
    this.#range = range;
    this.#lowest = range.base;
    // Networks of two addresses or one have neither a network address nor a broadcast address (RFC 3021).
    if (subnet.prefix < 31) {
      this.claim(subnet.base);
      this.claim(broadcastOf(subnet));
    }
  }

  #bit(address: number): { chunk: Uint8Array; byte: number; mask: number } {
    const offset = address - this.subnet.base;
    const number = Math.floor(offset / CHUNK_BITS);
    let chunk = this.#chunks.get(number);
    if (!chunk) {
      chunk = new Uint8Array(CHUNK_BITS / 8);
      this.#chunks.set(number, chunk);
    }
    return { chunk, byte: (offset % CHUNK_BITS) >> 3, mask: 1 << (offset & 7) };
  }

  taken(address: number): boolean {
    const { chunk, byte, mask } = this.#bit(address);
    return (chunk[byte]! & mask) !== 0;
  }

  /** Takes this address; false when it is taken or outside the subnet. */
  claim(address: number): boolean {
    if (!contains(this.subnet, address) || this.taken(address)) return false;
    const { chunk, byte, mask } = this.#bit(address);
    chunk[byte]! |= mask;
    return true;
  }

  /** Takes the lowest free address; undefined when none is left. */
  next(): number | undefined {
    const end = this.#range.base + sizeOf(this.#range);
    for (let address = this.#lowest; address < end; address++) {
      if (!this.claim(address)) continue;
      this.#lowest = address + 1;
      return address;
    }
    this.#lowest = end;
    return undefined;
  }

  free(address: number): void {
    if (!contains(this.subnet, address)) return;
    const { chunk, byte, mask } = this.#bit(address);
    chunk[byte]! &= ~mask;
    if (address >= this.#range.base) this.#lowest = Math.min(this.#lowest, address);
  }
}
