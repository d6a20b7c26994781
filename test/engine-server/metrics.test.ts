// --metrics-addr: Prometheus's text, with dockerd's names.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { counter, metricsText, timer } from "../../src/observe/metrics.ts";
import { buildConfig } from "../../src/roles/engine/config/load.ts";
import { serveMetrics } from "../../src/roles/engine/system/metrics.ts";
import { type FakeEngine, fakeEngine } from "./fakes.ts";

let fake: FakeEngine;
beforeAll(async () => {
  fake = await fakeEngine();
});
afterAll(() => fake[Symbol.dispose]());

test("counters, timers with their buckets, gauges, and labels that need escaping", async () => {
  const count = counter("test_things_total", "Things");
  const timed = timer("test_work_seconds", "Work", "action");
  count();
  count(2);
  expect(await timed("quick", async () => 5)).toBe(5);
  await expect(
    timed("bad", async () => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  const text = metricsText([
    { name: "test_gauge", help: "A gauge", values: [{ labels: { path: 'a"b\\c\nd' }, value: 1.5 }] },
  ]);
  expect(text).toContain(
    "# HELP test_things_total Things\n# TYPE test_things_total counter\ntest_things_total 3\n",
  );
  expect(text).toContain("# TYPE test_work_seconds histogram\n");
  expect(text).toMatch(/test_work_seconds_bucket\{action="quick",le="10"\} 1\n/);
  expect(text).toMatch(/test_work_seconds_bucket\{action="quick",le="\+Inf"\} 1\n/);
  expect(text).toContain('test_work_seconds_count{action="quick"} 1\n');
  // As docker: only what came to its end is timed.
  expect(text).not.toContain('action="bad"');
  expect(text).toContain('test_gauge{path="a\\"b\\\\c\\nd"} 1.5\n');
});

test("the page, and nothing beside it", async () => {
  const { port, close } = await serveMetrics(fake.engine, "127.0.0.1:0");
  try {
    fake.engine.events.publish("volume", "create", { ID: "v", Attributes: {} });
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await answer.text();
    for (const line of [
      /^engine_daemon_container_states_containers\{state="running"\} 0$/m,
      /^engine_daemon_engine_cpus_cpus [1-9]\d*$/m,
      /^engine_daemon_engine_info\{.*graphdriver="overlayfs".*\} 1$/m,
      /^engine_daemon_events_total [1-9]\d*$/m,
      /^engine_daemon_health_checks_failed_total 0$/m,
      /^process_open_fds [1-9]\d*$/m,
      /^process_resident_memory_bytes [1-9]\d*$/m,
    ]) {
      expect(text).toMatch(line);
    }
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    await expect(serveMetrics(fake.engine, `127.0.0.1:${port}`)).rejects.toThrow(
      `failed to start metrics server: listen 127.0.0.1:${port}`,
    );
  } finally {
    close();
  }
});

test("the setting", () => {
  const config = (address: string) => buildConfig(new Map([["metrics-addr", address]]), "").metricsAddress;
  expect(config("")).toBeUndefined();
  expect(config("127.0.0.1:9323")).toBe("127.0.0.1:9323");
  expect(config("[::1]:9323")).toBe("[::1]:9323");
  expect(() => config("9323")).toThrow("invalid metrics address: 9323");
});
