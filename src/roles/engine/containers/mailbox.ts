// One mailbox a container: what changes it happens one thing at a time, and nothing may hold it for ever.
import { ApiError } from "../errors.ts";

/** Longest that a single step (one call to containerd, one change of the network) may take. */
export const STEP_DEADLINE = 120_000;

/**
 * The outcome of `work`, or an ApiError 500 that names the step when it takes too long.
 * The work itself goes on: what it still does is seen by the next look at the task.
 */
export async function step<T>(what: string, work: Promise<T>, milliseconds = STEP_DEADLINE): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new ApiError(500, `${what}: no answer within ${milliseconds / 1000} s`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // After the deadline nobody listens any more, which must not end the process.
    work.catch(() => {});
  }
}

export class Mailbox {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after everything that was posted before. */
  run<T>(work: () => Promise<T> | T): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
