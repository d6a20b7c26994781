// One behavioural suite a noun; local.test.ts, remote.test.ts and real.test.ts run them over the three implementations.
import { containersSuite } from "./containers.ts";
import { contentSuite } from "./content.ts";
import { daemonSuite } from "./daemon.ts";
import { diffSuite } from "./diff.ts";
import { eventsSuite } from "./events.ts";
import { gcSuite } from "./gc.ts";
import type { Open } from "./ground.ts";
import { imagesSuite } from "./images.ts";
import { leasesSuite } from "./leases.ts";
import { namespacesSuite } from "./namespaces.ts";
import { snapshotsSuite } from "./snapshots.ts";
import { tasksSuite } from "./tasks.ts";
import { transferSuite } from "./transfer.ts";

const suites = [
  namespacesSuite,
  imagesSuite,
  containersSuite,
  contentSuite,
  snapshotsSuite,
  diffSuite,
  leasesSuite,
  gcSuite,
  eventsSuite,
  tasksSuite,
  transferSuite,
  daemonSuite,
];

export function allSuites(how: string, open: Open): void {
  for (const suite of suites) suite(how, open);
}
