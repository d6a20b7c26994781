// What a check's outcome makes of a container's health, and how checks are configured.
import { describe, expect, test } from "bun:test";
import {
  checkHealthConfig,
  checkOf,
  goDuration,
  mergedHealth,
} from "../../src/roles/engine/health/config.ts";
import { judgeHealth, nextCheck, startingHealth } from "../../src/roles/engine/health/verdict.ts";
import { containerConfig, type Health } from "../../src/spec/engine/container.ts";
import { goJson } from "../../src/spec/engine/go-json.ts";

const result = (ExitCode: number) => ({ Start: "", End: "", ExitCode, Output: "" });
const rules = { startPeriod: 1000, retries: 2 };
const configOf = (Healthcheck: object, more: object = {}) =>
  goJson(containerConfig, { Healthcheck, ...more }, "Config");

describe("the verdict", () => {
  test("failures count one by one, a success ends the streak", () => {
    let health: Health = startingHealth();
    const seen: string[] = [];
    for (const code of [1, 1, 0, 1, 1, 1]) {
      health = judgeHealth(health, result(code), rules, 5000);
      seen.push(`${health.Status} ${health.FailingStreak}`);
    }
    expect(seen).toEqual([
      "starting 1",
      "unhealthy 2",
      "healthy 0",
      "healthy 1",
      "unhealthy 2",
      "unhealthy 3",
    ]);
    expect(health.Log).toHaveLength(5);
  });

  test("within the start period failures do not count, until the first success", () => {
    let health = judgeHealth(startingHealth(), result(1), rules, 10);
    expect(health).toMatchObject({ Status: "starting", FailingStreak: 0 });
    health = judgeHealth(health, result(0), rules, 20);
    health = judgeHealth(health, result(1), rules, 30);
    expect(health).toMatchObject({ Status: "healthy", FailingStreak: 1 });
  });

  test("the start interval counts while it starts", () => {
    const check = checkOf(
      configOf({ Test: ["CMD", "x"], StartPeriod: 60e9, StartInterval: 1e9, Interval: 9e9 }),
    )!;
    expect(nextCheck("starting", check, 10)).toBe(1000);
    expect(nextCheck("starting", check, 60_000)).toBe(9000);
    expect(nextCheck("healthy", check, 10)).toBe(9000);
  });
});

describe("the configuration", () => {
  test("commands", () => {
    expect(checkOf(configOf({ Test: ["CMD-SHELL", "exit 1"] }))!.command).toEqual([
      "/bin/sh",
      "-c",
      "exit 1",
    ]);
    expect(checkOf(configOf({ Test: ["CMD-SHELL", "x"] }, { Shell: ["/bin/ash", "-e"] }))!.command).toEqual([
      "/bin/ash",
      "-e",
      "x",
    ]);
    expect(checkOf(configOf({ Test: ["CMD", "a", "b"] }))!.command).toEqual(["a", "b"]);
    for (const none of [["NONE"], [], ["ODD", "x"]])
      expect(checkOf(configOf({ Test: none }))).toBeUndefined();
    expect(checkOf(configOf({ Test: ["CMD", "a"] }))).toMatchObject({
      interval: 30_000,
      timeout: 30_000,
      retries: 3,
    });
  });

  test("what is not set comes from the image", () => {
    expect(mergedHealth({ Interval: 5e9 }, { Test: ["CMD", "a"], Interval: 7e9, Retries: 9 })).toMatchObject({
      Test: ["CMD", "a"],
      Interval: 5e9,
      Retries: 9,
    });
    expect(mergedHealth({ Test: ["NONE"] }, { Test: ["CMD", "a"] })?.Test).toEqual(["NONE"]);
  });

  test("refusals in docker's words", () => {
    expect(() => checkHealthConfig({ Interval: 100 })).toThrow(
      "Interval in Healthcheck cannot be less than 1ms",
    );
    expect(() => checkHealthConfig({ StartPeriod: -1 })).toThrow(
      "StartPeriod in Healthcheck cannot be less than 1ms",
    );
    expect(() => checkHealthConfig({ Retries: -1 })).toThrow("Retries in Healthcheck cannot be negative");
  });

  test("durations as Go writes them", () => {
    expect([250, 1500, 60_000, 3_661_000].map(goDuration)).toEqual(["250ms", "1.5s", "1m0s", "1h1m1s"]);
  });
});
