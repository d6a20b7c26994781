// What --metrics-addr serves: dockerd's metric names, as far as this engine has what they count.
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { arch, availableParallelism, release, totalmem } from "node:os";
import { statFields } from "../../../../ffi/process.ts";
import { log } from "../../../observe/log.ts";
import { type Gauge, metricsText } from "../../../observe/metrics.ts";
import { commit, version } from "../../../version.ts";
import type { Engine } from "../engine.ts";
import { NAMESPACE } from "./counts.ts";
import { operatingSystem } from "./host.ts";

/** Clock ticks of a second in /proc (USER_HZ, the same on every machine). man 5 proc_pid_stat */
const TICKS = 100;
const PAGE = 4096;

// The names that Prometheus's own clients give to a process.
function processGauges(): Gauge[] {
  const stat = statFields("self");
  const field = (number: number): number => Number(stat(number));
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  const value = (name: string, help: string, number: number, kind: Gauge["kind"] = "gauge"): Gauge => ({
    name: `process_${name}`,
    help,
    kind,
    values: [{ value: number }],
  });
  return [
    value(
      "cpu_seconds_total",
      "Total user and system CPU time spent in seconds.",
      (field(14) + field(15)) / TICKS,
      "counter",
    ),
    value("open_fds", "Number of open file descriptors.", readdirSync("/proc/self/fd").length),
    value("max_fds", "Maximum number of open file descriptors.", Number(limit ?? 0)),
    value("virtual_memory_bytes", "Virtual memory size in bytes.", field(23)),
    value("resident_memory_bytes", "Resident memory size in bytes.", field(24) * PAGE),
    value(
      "start_time_seconds",
      "Start time of the process since unix epoch in seconds.",
      performance.timeOrigin / 1000,
    ),
  ];
}

function engineGauges(engine: Engine): Gauge[] {
  const { running, paused, stopped } = engine.containers.counts();
  const os = operatingSystem();
  return [
    {
      name: `${NAMESPACE}_container_states_containers`,
      help: "The count of containers in various states",
      values: Object.entries({ paused, running, stopped }).map(([state, value]) => ({
        labels: { state },
        value,
      })),
    },
    {
      name: `${NAMESPACE}_engine_info`,
      help: "The information related to the engine and the OS it is running on",
      values: [
        {
          labels: {
            architecture: arch() === "x64" ? "x86_64" : arch(),
            commit,
            daemon_id: engine.id,
            graphdriver: engine.config.snapshotter,
            kernel: release(),
            os: os.name,
            os_type: "linux",
            os_version: os.version,
            version,
          },
          value: 1,
        },
      ],
    },
    {
      name: `${NAMESPACE}_engine_cpus_cpus`,
      help: "The number of cpus that the host system of the engine has",
      values: [{ value: availableParallelism() }],
    },
    {
      name: `${NAMESPACE}_engine_memory_bytes`,
      help: "The number of bytes of memory that the host system of the engine has",
      values: [{ value: totalmem() }],
    },
    {
      name: `${NAMESPACE}_events_subscribers_total`,
      help: "The number of current subscribers to events",
      values: [{ value: engine.events.listeners }],
    },
  ];
}

export interface Metrics {
  port: number;
  close(): void;
}

/** Serves GET /metrics on "host:port". Throws when the address cannot be had. `port` is the one it got. */
export async function serveMetrics(engine: Engine, address: string): Promise<Metrics> {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const server: Server = createServer((request, response) => {
    if (request.method !== "GET" || request.url?.split("?")[0] !== "/metrics") {
      response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("404 page not found\n");
      return;
    }
    const text = metricsText([...engineGauges(engine), ...processGauges()]);
    response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" }).end(text);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new Error(`failed to start metrics server: listen ${address}: ${error.message}`, { cause: error }),
      ),
    );
    server.listen({ host: host === "" ? "0.0.0.0" : host, port: Number(address.slice(at + 1)) }, resolve);
  });
  server.unref();
  log("info", "metrics API listening", { address });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
