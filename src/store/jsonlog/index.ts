export { LogBatch, type LogLine } from "./batch.ts";
export { type ReadLogOptions, readLog, readLogBatches } from "./reader.ts";
export { JsonLog, type JsonLogOptions, type LogStream } from "./writer.ts";
