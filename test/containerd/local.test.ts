// The behaviour of each noun, in process.
import { allSuites } from "./suites/all.ts";
import { openLocal } from "./suites/ground.ts";

allSuites("in process", openLocal);
