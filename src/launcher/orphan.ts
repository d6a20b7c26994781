// A program that is nobody's child: in a session of its own, left to whoever reaps orphans. What a daemon does by forking twice.
import { arch } from "../../ffi/arch/index.ts";
import { O_RDWR, O_WRONLY } from "../../ffi/constants/fcntl.ts";
import { CLOSE_RANGE_CLOEXEC } from "../../ffi/constants/sched.ts";
import { SIGCHLD } from "../../ffi/constants/signal.ts";
import { open } from "../../ffi/file.ts";
import { bits, Constant, Plan } from "./plan.ts";
import { spawnPlan } from "./spawn.ts";

export interface Orphan {
  path: string;
  argv: readonly string[];
  envp: readonly string[];
  /** Descriptors by their number in the child, from 0 on; "null" is the null device. */
  stdio: readonly (number | "null")[];
  /** For /proc/self/oom_score_adj, where it may be written. */
  oomScoreAdj: number;
}

/** Starts it. Nobody is told of a program that cannot be executed: its descriptors are closed then. */
export function spawnOrphan({ path, argv, envp, stdio, oomScoreAdj }: Orphan): void {
  const plan = new Plan("orphan", arch);
  const child = plan.label("the child's child");
  plan.call("close_range", [stdio.length, new Constant(0xffffffff, "~0"), bits({ CLOSE_RANGE_CLOEXEC })]);
  plan.call("clone", [SIGCHLD, 0, 0, 0, 0], { zero: child });
  plan.call("exit_group", [0]);
  plan.place(child);
  plan.call("setsid", []);
  const score = plan.slot("oom_score_adj");
  const text = String(oomScoreAdj);
  plan.call("openat", [-100, plan.string("/proc/self/oom_score_adj"), bits({ O_WRONLY }), 0], {
    into: score,
    tolerate: "any",
  });
  plan.call("write", [score, plan.string(text), text.length], { tolerate: "any" });
  plan.call("close", [score], { tolerate: "any" });
  const pointers = (name: string, words: readonly string[]) =>
    plan.pointers(
      name,
      words.map((word) => plan.string(word)),
    );
  plan.call("execve", [plan.string(path), pointers("argv", argv), pointers("envp", envp)]);
  using none = open("/dev/null", O_RDWR);
  const numbers = stdio.map((fd) => (fd === "null" ? none.number : fd));
  spawnPlan(plan, { stdio: numbers, argv0: "bunker-orphan" }).close();
}
