// The behaviour of each noun, over gRPC.
import { allSuites } from "./suites/all.ts";
import { openRemote } from "./suites/ground.ts";

allSuites("over gRPC", openRemote);
