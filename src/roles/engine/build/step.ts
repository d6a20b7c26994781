// What every step of a build works with.
import type { Engine } from "../engine.ts";
import type { WriteGround } from "../images/write.ts";
import type { BuildContext } from "./context.ts";
import type { BuildOptions } from "./options.ts";
import type { BuildReport } from "./report.ts";
import type { ClientSession } from "./session/client-session.ts";
import type { StageState } from "./state.ts";
import type { Said, Wording } from "./wording.ts";

export interface StepGround extends WriteGround {
  engine: Engine;
  options: BuildOptions;
  context: BuildContext;
  /** The client's, for what BuildKit's steps ask of it. */
  session: ClientSession | undefined;
  report: BuildReport;
  wording: Wording;
  signal: AbortSignal;
  /** Takes the step's image from the cache if it is there, and says so. */
  useCache(state: StageState, said: Said): Promise<boolean>;
}
