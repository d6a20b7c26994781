// The key sequence that lets go of a container's terminal (ctrl-p,ctrl-q unless the client says otherwise).
import { badRequest } from "../errors.ts";

export const DEFAULT_DETACH_KEYS: Uint8Array = new Uint8Array([16, 17]);

const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** "ctrl-p,q" → bytes. "" is the default sequence. ApiError 400. */
export function parseDetachKeys(text: string | null | undefined): Uint8Array {
  if (!text) return DEFAULT_DETACH_KEYS;
  const bytes = text.split(",").map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const control = /^ctrl-(.)$/.exec(key)?.[1];
    const code = control === undefined ? -1 : CONTROL.indexOf(control);
    if (code < 0) throw badRequest(`Invalid detach keys (${text}) provided`);
    return code;
  });
  return new Uint8Array(bytes);
}

/** Finds the sequence in a stream of input, also across chunks. Withheld bytes are given back once they turn out to be input. */
export class DetachMatcher {
  #matched = 0;

  constructor(readonly keys: Uint8Array) {}

  /** What of the input goes to the process; `detached` when the sequence was completed (what follows it is dropped). */
  push(chunk: Uint8Array): { input: Uint8Array; detached: boolean } {
    // The common case costs no copy.
    if (this.#matched === 0 && !chunk.includes(this.keys[0]!)) return { input: chunk, detached: false };
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.keys[this.#matched]) {
        for (let i = 0; i < this.#matched; i++) out.push(this.keys[i]!);
        this.#matched = 0;
      }
      if (byte === this.keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.keys.length) {
          this.#matched = 0;
          return { input: new Uint8Array(out), detached: true };
        }
      } else out.push(byte);
    }
    return { input: new Uint8Array(out), detached: false };
  }
}
