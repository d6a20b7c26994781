// Whether anything has happened lately: what reads, answers or starts says so here, and idle.ts looks now and then.

let moments = 0;

/** Something happened that is a reason to stay awake for a while. Called for every chunk and frame: as cheap as can be. */
export function touch(): void {
  moments++;
}

/** A number that changes with every `touch`. */
export function lastMoment(): number {
  return moments;
}
