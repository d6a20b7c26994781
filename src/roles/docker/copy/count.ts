// How much has been copied, shown on a terminal while it goes.
import { humanSize } from "../format/units.ts";
import { writeText } from "../stdio/output.ts";

/** How often the figure is redrawn. */
const REFRESH_MS = 75;

export class CopyCount {
  bytes = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `header`: "Copying to container - ". `shown`: whether anything is (a terminal, and not --quiet). */
  constructor(header: string, shown: boolean) {
    if (!shown) return;
    writeText(2, `\x1b[s\x1b[?25l\x1b[u\x1b[2K${header}${humanSize(0, 3)}`);
    let last = 0;
    this.#timer = setInterval(() => {
      if (this.bytes === last) return;
      last = this.bytes;
      writeText(2, `\x1b[${header.length + 1}G\x1b[0K${humanSize(last, 3)}`);
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
    if (!this.#timer) return;
    clearInterval(this.#timer);
    writeText(2, `\x1b[?25h\x1b[u\x1b[2KSuccessfully copied ${humanSize(this.bytes, 3)} to ${target}\n`);
  }

  /** Takes the figure away after a failure. */
  [Symbol.dispose](): void {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    writeText(2, "\x1b[?25h\n");
  }
}
