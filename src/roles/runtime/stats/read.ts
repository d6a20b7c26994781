// Reading the kernel's statistics files: lines of "key value", single numbers, lists of CPUs.
import { namesAt } from "../../../../ffi/path.ts";
import { readControl } from "../cgroup/files.ts";

/** A single number; "max" and what is not there are 0. */
export function number(directory: string | undefined, file: string): number {
  const text = directory === undefined ? undefined : readControl(directory, file);
  return text === undefined || text === "max" ? 0 : Number(text);
}

/** Lines of "key value". */
export function keyed(directory: string | undefined, file: string): Record<string, number> {
  const text = directory === undefined ? undefined : readControl(directory, file);
  return Object.fromEntries(
    (text ?? "")
      .split("\n")
      .map((line) => line.split(" "))
      .filter((pair) => pair.length === 2)
      .map(([key, value]) => [key!, Number(value)]),
  );
}

/** Rows of words, without empty ones. */
export function rows(directory: string | undefined, file: string): string[][] {
  const text = directory === undefined ? undefined : readControl(directory, file);
  return (text ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.trim().split(/\s+/));
}

/** "0-2,5" → [0, 1, 2, 5]; undefined when it is empty. man 7 cpuset, "List format" */
export function listFormat(text: string | undefined): number[] | undefined {
  if (!text) return undefined;
  return text.split(",").flatMap((part) => {
    const [first, last] = part.split("-").map(Number);
    return Array.from({ length: (last ?? first!) - first! + 1 }, (_, i) => first! + i);
  });
}

/** The machine's huge page sizes as cgroup files name them: "2MB", "1GB". */
export function hugePageSizes(): string[] {
  return (namesAt("/sys/kernel/mm/hugepages") ?? []).flatMap((name) => {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    if (!kilobytes) return [];
    return kilobytes >= 1 << 20
      ? [`${kilobytes >> 20}GB`]
      : kilobytes >= 1024
        ? [`${kilobytes >> 10}MB`]
        : [`${kilobytes}KB`];
  });
}
