// Short and long lives. Most starts of this program last 10–20 ms (a client's command, a runtime's verb), in which a
// just-in-time compiler that begins after a few hundred calls costs a third of the time and two helper threads' worth of
// processor. So the executable's prologue (scripts/entry.ts) starts every process with a compiler that waits for really hot
// loops, and a daemon, which wants it early, starts itself over once with the mark below.

/** Prefix of the variables that set JavaScriptCore's options, in two pieces so that the text is not in the bundle. */
export const ENGINE_OPTIONS = ["BUN", "JSC", ""].join("_");

/** What the prologue puts into the environment of a process without the mark. */
export const SHORT_LIFE: readonly string[] = [
  `${ENGINE_OPTIONS}thresholdForJITAfterWarmUp=100000`,
  `${ENGINE_OPTIONS}thresholdForJITSoon=100000`,
];

/**
 * What it puts in place of the mark. The last of the engine's compilers takes more time and memory for a daemon's many short
 * functions than its code saves: a pull spent a tenth of its processor time there. Tried and left out: `forceRAMSize` of 64 MB
 * with a later DFG; a pull's peak was 14 MiB lower, and the pull a fifth slower.
 */
export const LONG_LIFE_SETTINGS: readonly string[] = [`${ENGINE_OPTIONS}useFTLJIT=0`];

/** The mark of a long life; the prologue obeys it and takes it out, so that no child inherits it. */
export const LONG_LIFE = "BUNKER_LONG_LIFE";
