// The behaviour of each noun, in process.
import { containersSuite } from "./suites/containers.ts";
import { contentSuite } from "./suites/content.ts";
import { daemonSuite } from "./suites/daemon.ts";
import { diffSuite } from "./suites/diff.ts";
import { eventsSuite } from "./suites/events.ts";
import { gcSuite } from "./suites/gc.ts";
import { openLocal } from "./suites/ground.ts";
import { imagesSuite } from "./suites/images.ts";
import { leasesSuite } from "./suites/leases.ts";
import { namespacesSuite } from "./suites/namespaces.ts";
import { snapshotsSuite } from "./suites/snapshots.ts";

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
  daemonSuite,
];
for (const suite of suites) suite("in process", openLocal);
