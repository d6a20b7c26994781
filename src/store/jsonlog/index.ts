export { type LogLine, type ReadLogOptions, readLog, readLogBatches } from "./reader.ts";
export { JsonLog, type JsonLogOptions, type LogStream } from "./writer.ts";
