// Builds under way that have an id: for /build/cancel, and for the context that comes by a request of its own.
import { badRequest } from "../errors.ts";

const running = new Map<string, AbortController>();

/** Keeps the build to be found until it is disposed of. */
export function register(buildId: string, cancel: AbortController): Disposable {
  if (buildId !== "") running.set(buildId, cancel);
  return {
    [Symbol.dispose]() {
      if (running.get(buildId) === cancel) running.delete(buildId);
    },
  };
}

export function cancelBuild(buildId: string): void {
  running.get(buildId)?.abort(new Error("build cancelled"));
}

type Body = AsyncIterable<Uint8Array>;

/** How long one of the two requests waits for the other, in milliseconds. moby: builder-next */
const PATIENCE = 5000;

interface Meeting {
  body: PromiseWithResolvers<Body>;
  taken: PromiseWithResolvers<void>;
}

const meetings = new Map<string, Meeting>();

function meetingOf(buildId: string): Meeting {
  const found = meetings.get(buildId);
  if (found) return found;
  const made: Meeting = { body: Promise.withResolvers(), taken: Promise.withResolvers() };
  made.body.promise.catch(() => {});
  made.taken.promise.catch(() => {});
  meetings.set(buildId, made);
  return made;
}

async function soon<T>(promise: Promise<T>, buildId: string, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    meetings.delete(buildId);
    late.reject(badRequest(`build ${buildId}: ${what} did not come in time`));
  }, PATIENCE);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The context that `docker build -` sends by a request of its own. Throws ApiError 400 when it does not come. */
export async function uploadFor(buildId: string): Promise<Body> {
  const { body, taken } = meetingOf(buildId);
  const source = await soon(body.promise, buildId, "its context");
  return (async function* () {
    try {
      yield* source;
    } finally {
      meetings.delete(buildId);
      taken.resolve();
    }
  })();
}

/** Hands a context over; resolves when the build has read it. */
export async function giveUpload(buildId: string, source: Body): Promise<void> {
  const { body, taken } = meetingOf(buildId);
  body.resolve(source);
  await taken.promise;
}
