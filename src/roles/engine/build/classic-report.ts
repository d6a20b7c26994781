// A build's report as dockerd's JSON lines: {"stream": …} for people, {"aux": {"ID": …}} for programs.
import type { ProgressLine } from "../../../spec/engine/image.ts";
import type { OutputStream } from "../streams/frame.ts";
import type { BuildReport, StepTitle } from "./report.ts";

const RED = "\u001b[91m";
const PLAIN = "\u001b[0m";

const short = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);

export class ClassicReport implements BuildReport {
  /** Lines kept back with -q: shown when the build fails. */
  readonly #held: ProgressLine[] = [];

  constructor(
    private readonly send: (line: ProgressLine) => Promise<void>,
    private readonly quiet: boolean,
  ) {}

  async pulling(line: ProgressLine): Promise<void> {
    if (this.quiet) this.#held.push(line);
    else await this.send(line);
  }

  #say(text: string): Promise<void> {
    return this.pulling({ stream: text });
  }

  warning(about: "dockerfile" | "arguments" | "container", text: string): Promise<void> {
    if (about === "dockerfile") return this.output("stderr", `${text}\n`);
    return this.#say(about === "container" ? ` ---> [Warning] ${text}\n` : `[Warning] ${text}\n`);
  }

  step({ number, of, text }: StepTitle): Promise<void> {
    return this.#say(`Step ${number}/${of} : ${text}\n`);
  }

  triggers(count: number): Promise<void> {
    return this.#say(`# Executing ${count} build ${count === 1 ? "trigger" : "triggers"}\n`);
  }

  cached(): Promise<void> {
    return this.#say(" ---> Using cache\n");
  }

  running(containerId: string): Promise<void> {
    return this.#say(` ---> Running in ${short(containerId)}\n`);
  }

  removed(containerId: string): Promise<void> {
    return this.#say(` ---> Removed intermediate container ${short(containerId)}\n`);
  }

  /** What came by stderr in red, as dockerd marks it. */
  output(stream: OutputStream, text: string): Promise<void> {
    return this.#say(stream === "stdout" ? text : `${RED}${text}${PLAIN}`);
  }

  stepDone(imageId: string): Promise<void> {
    return this.#say(` ---> ${short(imageId)}\n`);
  }

  async stageDone(imageId: string): Promise<void> {
    if (imageId !== "") await this.pulling({ aux: { ID: imageId } });
  }

  async built(imageId: string, tags: readonly string[]): Promise<void> {
    await this.#say(`Successfully built ${short(imageId)}\n`);
    if (this.quiet) await this.send({ stream: `${imageId}\n` });
    for (const tag of tags) {
      const named = tag.includes(":", tag.lastIndexOf("/") + 1) ? tag : `${tag}:latest`;
      await this.#say(`Successfully tagged ${named}\n`);
    }
  }

  /** Everything that was held back, then the failure. */
  async fail(message: string, code?: number): Promise<void> {
    for (const line of this.#held.splice(0)) await this.send(line);
    await this.send({ errorDetail: { ...(code === undefined ? {} : { code }), message }, error: message });
  }
}
