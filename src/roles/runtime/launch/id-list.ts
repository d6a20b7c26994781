// Lists of CPUs or memory nodes as config.json writes them ("0-3,7"), as the kernel's bit masks. man 7 cpuset, "List format"

const LIMIT = 4096;

/** The mask as whole 64-bit little-endian words. Throws with `what` in front on a list that is none. */
export function idMask(list: string, what: string): Uint8Array {
  const ids: number[] = [];
  for (const part of list.split(",")) {
    const match = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || last < first || last >= LIMIT)
      throw new Error(
        `${what}: invalid list ${JSON.stringify(list)}: ${JSON.stringify(part)} is no number or range`,
      );
    for (let id = first; id <= last; id++) ids.push(id);
  }
  const bytes = new Uint8Array(8 * (Math.floor(Math.max(...ids) / 64) + 1));
  for (const id of ids) bytes[id >> 3]! |= 1 << (id & 7);
  return bytes;
}
