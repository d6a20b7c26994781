// A build's report as BuildKit's: each line carries a StatusResponse, steps are its vertexes. What the docker CLI draws as
// "#5 [2/3] RUN …". BuildKit: util/progress/progressui
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ProgressLine } from "../../../spec/engine/image.ts";
import { formatReference, parseTagged } from "../../../wire/distribution/reference.ts";
import { StatusResponseSchema } from "../../../wire/gen/buildkit/status_pb.ts";
import type { OutputStream } from "../streams/frame.ts";
import type { BuildReport, StepTitle } from "./report.ts";

type Status = MessageInitShape<typeof StatusResponseSchema>;

/** A step on the screen. */
export interface Vertex {
  readonly digest: string;
  readonly name: string;
  readonly started: number;
  readonly inputs: readonly string[];
}

const now = () => timestampFromMs(Date.now());
const digestOf = (text: string): string =>
  `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;

export class TraceReport implements BuildReport {
  readonly #id = crypto.randomUUID();
  #count = 0;
  #current: Vertex | undefined;
  /** The parts of the current step that are under way. */
  readonly #parts = new Map<string, number>();
  #last = "";
  /** Lines kept back with -q: shown when the build fails. */
  readonly #held: ProgressLine[] = [];

  constructor(
    private readonly send: (line: ProgressLine) => Promise<void>,
    private readonly quiet: boolean,
  ) {}

  async #tell(status: Status): Promise<void> {
    const message = toBinary(StatusResponseSchema, create(StatusResponseSchema, status));
    await this.#line({ id: "moby.buildkit.trace", aux: Buffer.from(message).toString("base64") });
  }

  async #line(line: ProgressLine): Promise<void> {
    if (this.quiet) this.#held.push(line);
    else await this.send(line);
  }

  /** Begins a step that no instruction stands for. */
  async begin(name: string, cached = false): Promise<Vertex> {
    const inputs = this.#last === "" ? [] : [this.#last];
    const vertex: Vertex = {
      digest: digestOf(`${this.#id} ${this.#count++} ${name}`),
      name,
      started: Date.now(),
      inputs,
    };
    await this.#tell({ vertexes: [{ ...this.#shown(vertex), cached }] });
    return vertex;
  }

  #shown({ digest, name, inputs, started }: Vertex) {
    return { digest, name, inputs: [...inputs], started: timestampFromMs(started) };
  }

  async complete(vertex: Vertex, outcome: { error?: string; cached?: boolean } = {}): Promise<void> {
    await this.#tell({ vertexes: [{ ...this.#shown(vertex), completed: now(), ...outcome }] });
  }

  /** A part of a step: "transferring context", a layer. `total` 0 when nobody knows it. */
  async part(
    vertex: Vertex,
    id: string,
    progress: { current: number; total?: number; started: number; done?: boolean },
  ): Promise<void> {
    const { current, total = 0, started, done } = progress;
    await this.#tell({
      statuses: [
        {
          ID: id,
          vertex: vertex.digest,
          current: BigInt(current),
          total: BigInt(total),
          timestamp: now(),
          started: timestampFromMs(started),
          ...(done ? { completed: now() } : {}),
        },
      ],
    });
  }

  async #end(outcome: { error?: string; cached?: boolean } = {}): Promise<void> {
    const vertex = this.#current;
    if (!vertex) return;
    this.#current = undefined;
    this.#parts.clear();
    this.#last = vertex.digest;
    await this.complete(vertex, outcome);
  }

  async warning(_about: string, text: string): Promise<void> {
    const vertex = this.#current ?? (await this.begin("[internal] warnings"));
    await this.#tell({
      warnings: [{ vertex: vertex.digest, level: 1n, short: Buffer.from(text.trim()) }],
    });
    if (!this.#current) await this.complete(vertex);
  }

  async step({ place }: StepTitle): Promise<void> {
    await this.#end();
    // What only changes the configuration is no step of BuildKit's.
    if (!place) return;
    const { stage, number, of, text } = place;
    const count = `${String(number).padStart(String(of).length)}/${of}`;
    this.#current = await this.begin(`[${stage === "" ? "" : `${stage} `}${count}] ${text}`);
  }

  async triggers(): Promise<void> {}

  async cached(): Promise<void> {
    await this.#end({ cached: true });
  }

  async running(): Promise<void> {}

  async removed(): Promise<void> {}

  async output(stream: OutputStream, text: string): Promise<void> {
    if (!this.#current) return;
    await this.#tell({
      logs: [
        {
          vertex: this.#current.digest,
          timestamp: now(),
          stream: stream === "stdout" ? 1n : 2n,
          msg: Buffer.from(text),
        },
      ],
    });
  }

  async pulling({ id, status, progressDetail }: ProgressLine): Promise<void> {
    if (!this.#current || id === undefined || status === undefined) return;
    const started = this.#parts.get(id) ?? Date.now();
    this.#parts.set(id, started);
    const { current = 0, total = 0 } = (progressDetail ?? {}) as { current?: number; total?: number };
    const done = status === "Pull complete" || status === "Already exists";
    await this.part(this.#current, `${status.toLowerCase()} ${id}`, { current, total, started, done });
  }

  async stepDone(): Promise<void> {
    await this.#end();
  }

  async stageDone(): Promise<void> {}

  async built(imageId: string, tags: readonly string[]): Promise<void> {
    const vertex = await this.begin("exporting to image");
    const { started } = vertex;
    const said = [
      "exporting layers",
      `writing image ${imageId}`,
      ...tags.map((tag) => `naming to ${formatReference(parseTagged(tag))}`),
    ];
    for (const id of said) await this.part(vertex, id, { current: 0, started, done: true });
    await this.complete(vertex);
    await this.#line({ id: "moby.image.id", aux: { ID: imageId } });
    if (this.quiet) await this.send({ stream: `${imageId}\n` });
  }

  async fail(message: string): Promise<void> {
    await this.#end({ error: message });
    for (const line of this.#held.splice(0)) await this.send(line);
    await this.send({ errorDetail: { message }, error: message });
  }
}
