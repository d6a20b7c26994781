// When to ask a registry again: after broken connections, 5xx and 429, with growing pauses.

export interface RetryPolicy {
  /** How often one thing is tried in all. */
  attempts: number;
  /** First pause in milliseconds; doubled each time, up to `longest`. */
  pause: number;
  longest: number;
}

export const defaultRetry: RetryPolicy = { attempts: 6, pause: 250, longest: 15_000 };

/** The pause before attempt `next` (2 is the first retry), with jitter so that many pulls do not march in step. */
export function pauseBefore(next: number, policy: RetryPolicy): number {
  const full = Math.min(policy.pause * 2 ** (next - 2), policy.longest);
  return full * (0.75 + Math.random() / 2);
}

/** Retry-After in milliseconds: seconds or an HTTP date. RFC 9110 section 10.2.3. At most two minutes. */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\s*[0-9]+\s*$/.test(header) ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), 120) * 1000;
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
