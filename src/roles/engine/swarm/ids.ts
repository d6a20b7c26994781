// Names that a swarm gives to things. swarmkit: identity/randomid.go
import { randomBytes } from "node:crypto";

const base36 = (bytes: Uint8Array, length: number): string =>
  BigInt(`0x${Buffer.from(bytes).toString("hex")}`)
    .toString(36)
    .padStart(length, "0");

/** 25 characters, 128 random bits. */
export const newId = (): string => base36(randomBytes(16), 25);

/** What a node would show to be let in: the swarm's mark, then a secret of its own. */
export const newToken = (clusterId: string): string => {
  const mark = new Bun.CryptoHasher("sha256").update(clusterId).digest();
  return `SWMTKN-1-${base36(mark, 50)}-${newId()}`;
};
