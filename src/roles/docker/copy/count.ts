// How much has been copied, shown on a terminal while it goes.
import { humanSize } from "../format/units.ts";
import { writeText } from "../stdio/output.ts";

/** How often the figure is redrawn. */
const REFRESH_MS = 75;

export class CopyCount {
  bytes = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #shown: boolean;
  #drawn = false;

  /** `header`: "Copying to container - ". `shown`: whether anything is (a terminal, and not --quiet). */
  constructor(header: string, shown: boolean) {
    this.#shown = shown;
    if (!shown) return;
    let last = -1;
    // A copy that is over at once needs no figure.
    this.#timer = setInterval(() => {
      if (this.bytes === last) return;
      const figure = humanSize(this.bytes, 3);
      writeText(
        2,
        last < 0 ? `\x1b[s\x1b[?25l\x1b[2K${header}${figure}` : `\x1b[${header.length + 1}G\x1b[0K${figure}`,
      );
      last = this.bytes;
      this.#drawn = true;
    }, REFRESH_MS);
  }

  /** The same chunks, counted. */
  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      yield chunk;
    }
  }

  /** Takes the figure away; `target` says where everything went. */
  done(target: string): void {
    this.#clear("\x1b[?25h\x1b[u\x1b[2K");
    if (this.#shown) writeText(2, `Successfully copied ${humanSize(this.bytes, 3)} to ${target}\n`);
  }

  /** Takes the figure away after a failure. */
  [Symbol.dispose](): void {
    this.#clear("\x1b[?25h\n");
  }

  #clear(sequence: string): void {
    clearInterval(this.#timer);
    if (this.#drawn) writeText(2, sequence);
    this.#drawn = false;
  }
}
