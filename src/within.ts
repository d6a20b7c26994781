// A wait with an end. Promise.race with a sleep would do, but the sleep goes on, and holds whatever the waiting function held: with
// a minute of it a busy engine kept every container that had ended in the last minute.

/** Waits for `work`, but at most `ms` milliseconds. False when it was late; rejects as `work` does. No timer is left behind. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, ms, false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
