// JSON values one after another in a stream (progress, events), separated by newlines or by nothing.

/** Yields each line's text; the last needs no newline. Memory: the longest line. */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of body) {
    pending += decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let at = pending.indexOf("\n"); at >= 0; at = pending.indexOf("\n", start)) {
      yield pending.slice(start, at).trimEnd();
      start = at + 1;
    }
    pending = pending.slice(start);
  }
  pending += decoder.decode();
  if (pending.trim() !== "") yield pending.trimEnd();
}

/** Yields the JSON values of a stream, one a line. Throws SyntaxError on a line that is none. */
export async function* jsonLines<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  for await (const line of lines(body)) {
    if (line !== "") yield JSON.parse(line) as T;
  }
}
