// One signal out of several, with an end. A signal of AbortSignal.any that somebody listens to lives as long as the
// longest-lived of its sources: with the engine's own shutdown among them, every stream that was ever served would stay.

export interface AnySignal extends Disposable {
  readonly signal: AbortSignal;
}

/** Fires with the first of the sources; dispose of it when nobody needs it any more. */
export function anySignal(sources: readonly (AbortSignal | undefined)[]): AnySignal {
  const any = new AbortController();
  const listening: [AbortSignal, () => void][] = [];
  for (const source of sources) {
    if (!source) continue;
    if (source.aborted) {
      any.abort(source.reason);
      break;
    }
    const told = (): void => any.abort(source.reason);
    source.addEventListener("abort", told, { once: true });
    listening.push([source, told]);
  }
  return {
    signal: any.signal,
    [Symbol.dispose]() {
      for (const [source, told] of listening) source.removeEventListener("abort", told);
    },
  };
}
