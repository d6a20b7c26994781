// Signal numbers by name. signal(7); x86-64 and arm64 agree. Written out, since node:os would have to be loaded for them.

/** Names from 1 on. */
const IN_ORDER =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );

/** "SIGTERM" → 15. */
export const SIGNALS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(IN_ORDER.map((name, i) => [`SIG${name}`, i + 1])),
  SIGIOT: 6,
  SIGPOLL: 29,
};
