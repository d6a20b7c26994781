// The keys that let go of a container: "ctrl-p,ctrl-q" and its like, found in what is typed.

/** Default of `run`, `attach`, `exec`, `start`. */
export const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/** "ctrl-p,ctrl-q" → bytes. Throws with docker's words. */
export function parseKeys(text: string): number[] {
  if (text === "") return [];
  return text.split(",").map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const letter = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1];
    if (letter === undefined) throw new Error(`invalid detach keys (${text}): Unknown character: '${key}'`);
    return letter.toUpperCase().charCodeAt(0) & 0x1f;
  });
}

/** Watches typed bytes for the key sequence. A started sequence is held back until it is decided. */
export class DetachKeys {
  #matched = 0;

  constructor(readonly keys: readonly number[]) {}

  /** What may go to the container, and whether the sequence is complete (the rest of `chunk` is dropped). */
  filter(chunk: Uint8Array): { bytes: Uint8Array; detached: boolean } {
    if (this.keys.length === 0) return { bytes: chunk, detached: false };
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.keys.length) {
          this.#matched = 0;
          return { bytes: Uint8Array.from(out), detached: true };
        }
        continue;
      }
      // Not the sequence after all: what was held back goes first.
      for (let i = 0; i < this.#matched; i++) out.push(this.keys[i]!);
      this.#matched = byte === this.keys[0] ? 1 : 0;
      if (this.#matched === 0) out.push(byte);
    }
    return { bytes: Uint8Array.from(out), detached: false };
  }
}
