// What a build tells of itself while it goes on. Two ways to say it: docker's JSON lines (classic-report.ts) and BuildKit's
// status messages (trace-report.ts).
import type { ProgressLine } from "../../../spec/engine/image.ts";
import type { OutputStream } from "../streams/frame.ts";

/** One instruction of the Dockerfile as its turn comes. */
export interface StepTitle {
  /** As it is written, on one line. */
  text: string;
  /** 1-based, of all of the build; `of` is how many there are. */
  number: number;
  of: number;
  /** Its place in its stage, for what makes files; a stage's name is "" when there is only one. `text` has full names of images. */
  place?: { stage: string; number: number; of: number; text: string };
}

export interface BuildReport {
  /** Something that people should know: of their Dockerfile, of the build's arguments, of a step's container. */
  warning(about: "dockerfile" | "arguments" | "container", text: string): Promise<void>;
  step(title: StepTitle): Promise<void>;
  /** ONBUILD triggers of the base, which run as a part of this step. */
  triggers(count: number): Promise<void>;
  /** The step was found in the cache. */
  cached(): Promise<void>;
  /** A step's container runs, or was removed again. */
  running(containerId: string): Promise<void>;
  removed(containerId: string): Promise<void>;
  output(stream: OutputStream, text: string): Promise<void>;
  /** A pull goes on, in docker's words. */
  pulling(line: ProgressLine): Promise<void>;
  /** The step has led to this image ("" for none yet). */
  stepDone(imageId: string): Promise<void>;
  stageDone(imageId: string): Promise<void>;
  /** The whole has led to this image, under these names. */
  built(imageId: string, tags: readonly string[]): Promise<void>;
  /** @param code what a RUN ended with */
  fail(message: string, code?: number): Promise<void>;
}
