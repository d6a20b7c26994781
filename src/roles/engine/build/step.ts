// What every step of a build works with.
import type { Engine } from "../engine.ts";
import type { WriteGround } from "../images/write.ts";
import type { BuildContext } from "./context.ts";
import type { BuildOptions } from "./options.ts";
import type { BuildOutput } from "./output.ts";
import type { StageState } from "./state.ts";

export interface StepGround extends WriteGround {
  engine: Engine;
  options: BuildOptions;
  context: BuildContext;
  output: BuildOutput;
  signal: AbortSignal;
  /** Takes the step's image from the cache if it is there, and says so. */
  useCache(state: StageState, comment: string): Promise<boolean>;
}
