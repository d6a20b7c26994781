// What the daemon has acknowledged. A change that was asked for and not answered may have happened or not.

type Entry<V> =
  | { state: "present"; value: V }
  | { state: "absent" }
  | { state: "unknown"; before: V | undefined; after: V | undefined };

/** One kind of thing by name; its value is what must be found again. */
export class Book<V> {
  readonly #entries = new Map<string, Entry<V>>();

  constructor(readonly what: string) {}

  /** Asks for a change: after `work` the thing is `after` (undefined: gone). Throws what `work` throws. */
  async change(name: string, after: V | undefined, work: () => Promise<unknown>): Promise<void> {
    const before = this.value(name);
    this.#entries.set(name, { state: "unknown", before, after });
    await work();
    this.settle(name, after);
  }

  /** As change, for what the work itself finds out. */
  async make(name: string, work: () => Promise<V>): Promise<V> {
    this.#entries.set(name, { state: "unknown", before: undefined, after: undefined });
    const value = await work();
    this.settle(name, value);
    return value;
  }

  value(name: string): V | undefined {
    const entry = this.#entries.get(name);
    return entry?.state === "present" ? entry.value : undefined;
  }

  /** Somebody has looked: it is there with this value, or not. */
  settle(name: string, value: V | undefined): void {
    this.#entries.set(name, value === undefined ? { state: "absent" } : { state: "present", value });
  }

  present(): [string, V][] {
    return [...this.#entries].flatMap(([name, entry]) =>
      entry.state === "present" ? [[name, entry.value] as [string, V]] : [],
    );
  }

  absent(): string[] {
    return [...this.#entries].flatMap(([name, { state }]) => (state === "absent" ? [name] : []));
  }

  unknown(): [string, { before: V | undefined; after: V | undefined }][] {
    return [...this.#entries].flatMap(([name, entry]) =>
      entry.state === "unknown" ? [[name, entry] as [string, typeof entry]] : [],
    );
  }
}
