// The behaviour of each noun, of Debian's containerd through our client: it proves the suites as much as the client.
import { describe } from "bun:test";
import { realContainerd, realCtr } from "../support/containerds.ts";
import { allSuites } from "./suites/all.ts";
import { openReal } from "./suites/ground.ts";

const why = realContainerd && realCtr ? undefined : "needs containerd";
describe.skipIf(why !== undefined)(why ? `real containerd (skipped: ${why})` : "real containerd", () => {
  allSuites("through our client", openReal);
});
