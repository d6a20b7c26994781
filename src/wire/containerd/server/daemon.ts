// What is about the daemon itself on gRPC: version, plugins, events, health.
import type { Server } from "@grpc/grpc-js";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/rpc/health_pb.ts";
import { Events } from "../../gen/services/events_pb.ts";
import { Introspection } from "../../gen/services/introspection_pb.ts";
import { Version } from "../../gen/services/version_pb.ts";
import { anyOf, envelopeInit, envelopeOf, platformInit } from "../convert.ts";
import { type Plugin, ServiceError, type Services } from "../services.ts";
import { serveOn } from "./service.ts";

const pluginInit = (one: Plugin) => ({
  type: one.type,
  id: one.id,
  platforms: one.platforms.map(platformInit),
  exports: { ...one.exports },
  capabilities: one.capabilities,
  ...(one.initError === undefined ? {} : { initErr: { code: 2, message: one.initError } }),
});

export function serveDaemon(server: Server, { version, introspection, events }: Services): void {
  serveOn(server, Version, { version: () => version.version() });

  serveOn(server, Introspection, {
    async plugins({ filters }) {
      return { plugins: (await introspection.plugins(filters)).map(pluginInit) };
    },
    async pluginInfo({ type, id, options }) {
      const plugin = (await introspection.plugins()).find((one) => one.type === type && one.id === id);
      if (!plugin) throw new ServiceError("NotFound", `plugin ${type}.${id}: not found`);
      if (options) throw new ServiceError("Unimplemented", `plugin ${type}.${id} tells nothing further`);
      return { plugin: pluginInit(plugin) };
    },
    async server() {
      const { uuid, pid, pidns } = await introspection.server();
      return { uuid, pid: BigInt(pid), pidns: BigInt(pidns) };
    },
  });

  serveOn(server, Events, {
    async publish({ topic, event }, call) {
      await events.publish(call.namespace, topic, anyOf(event));
      return {};
    },
    async forward({ envelope }) {
      await events.forward(envelopeOf(envelope));
      return {};
    },
    async *subscribe({ filters }, call) {
      for await (const envelope of events.subscribe(filters, call.signal)) yield envelopeInit(envelope);
    },
  });

  serveOn(server, Health, {
    async check({ service }) {
      if (service !== "") throw new ServiceError("NotFound", "unknown service");
      return { status: Serving.SERVING };
    },
    async list() {
      return { statuses: { "": { status: Serving.SERVING } } };
    },
    async *watch({ service }, call) {
      yield { status: service === "" ? Serving.SERVING : Serving.SERVICE_UNKNOWN };
      if (call.signal.aborted) return;
      await new Promise((resolve) => call.signal.addEventListener("abort", resolve, { once: true }));
    },
  });
}
