// Counters and timers of a process in Prometheus's text format, for `--metrics-addr`. Counting is always on, for it costs next to
// nothing; what is read at scrape time (gauges) is given by whoever serves the page.
// https://prometheus.io/docs/instrumenting/exposition_formats/

export type Labels = Readonly<Record<string, string>>;

/** moby's buckets (docker/go-metrics takes the Prometheus client's), in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface Histogram {
  labels: Labels;
  /** One more than BUCKETS: the last is what took longer. */
  counts: number[];
  sum: number;
}

interface Family {
  help: string;
  counters: Map<string, { labels: Labels; value: number }>;
  histograms: Map<string, Histogram>;
}

const families = new Map<string, Family>();

function family(name: string, help: string): Family {
  const found = families.get(name) ?? { help, counters: new Map(), histograms: new Map() };
  families.set(name, found);
  return found;
}

/** Declares a counter, which is shown as 0 from the start; the result counts. */
export function counter(name: string, help: string): (by?: number) => void {
  const { counters } = family(name, help);
  const one = { labels: {}, value: 0 };
  counters.set("", one);
  return (by = 1) => {
    one.value += by;
  };
}

/** Declares a timer with one label; the result runs work under a value of it and counts what did not fail. */
export function timer(
  name: string,
  help: string,
  label: string,
): <T>(value: string, work: () => Promise<T>) => Promise<T> {
  const { histograms } = family(name, help);
  return async (value, work) => {
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    let one = histograms.get(value);
    if (!one) {
      one = { labels: { [label]: value }, counts: new Array<number>(BUCKETS.length + 1).fill(0), sum: 0 };
      histograms.set(value, one);
    }
    const bucket = BUCKETS.findIndex((limit) => seconds <= limit);
    one.counts[bucket < 0 ? BUCKETS.length : bucket]!++;
    one.sum += seconds;
    return result;
  };
}

/** A value that is looked up when it is asked for. */
export interface Gauge {
  name: string;
  help: string;
  kind?: "gauge" | "counter";
  values: { labels?: Labels; value: number }[];
}

const escaped = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

function labelled(labels: Labels, extra: Labels = {}): string {
  const pairs = Object.entries({ ...labels, ...extra }).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function* histogramLines(name: string, { labels, counts, sum }: Histogram): Generator<string> {
  let total = 0;
  for (const [i, count] of counts.entries()) {
    total += count;
    const le = i < BUCKETS.length ? String(BUCKETS[i]) : "+Inf";
    yield `${name}_bucket${labelled(labels, { le })} ${total}`;
  }
  yield `${name}_sum${labelled(labels)} ${sum}`;
  yield `${name}_count${labelled(labels)} ${total}`;
}

/** The page: all that was counted and timed, and these gauges. */
export function metricsText(gauges: readonly Gauge[]): string {
  const lines: string[] = [];
  for (const [name, { help, counters, histograms }] of families) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${counters.size > 0 ? "counter" : "histogram"}`);
    for (const { labels, value } of counters.values()) lines.push(`${name}${labelled(labels)} ${value}`);
    for (const histogram of histograms.values()) lines.push(...histogramLines(name, histogram));
  }
  for (const { name, help, kind = "gauge", values } of gauges) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const { labels = {}, value } of values) lines.push(`${name}${labelled(labels)} ${value}`);
  }
  return `${lines.join("\n")}\n`;
}
