// What a build says, as dockerd's JSON lines: {"stream": …} for people, {"aux": {"ID": …}} for programs.
import type { ProgressLine } from "../../../spec/engine/image.ts";

const RED = "\u001b[91m";
const PLAIN = "\u001b[0m";

export class BuildOutput {
  /** Lines kept back with -q: shown when the build fails. */
  readonly #held: ProgressLine[] = [];

  constructor(
    private readonly send: (line: ProgressLine) => Promise<void>,
    private readonly quiet: boolean,
  ) {}

  async line(line: ProgressLine): Promise<void> {
    if (this.quiet) this.#held.push(line);
    else await this.send(line);
  }

  stdout(text: string): Promise<void> {
    return this.line({ stream: text });
  }

  /** As dockerd marks it: in red. */
  stderr(text: string): Promise<void> {
    return this.line({ stream: `${RED}${text}${PLAIN}` });
  }

  /** Said with -q too. */
  async always(line: ProgressLine): Promise<void> {
    await this.send(line);
  }

  /** Everything that was held back, then the failure. */
  async fail(message: string, code?: number): Promise<void> {
    for (const line of this.#held.splice(0)) await this.send(line);
    await this.send({ errorDetail: { ...(code === undefined ? {} : { code }), message }, error: message });
  }
}
