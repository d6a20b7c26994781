// What a containerd behind a socket says about itself, and its events.
import type { Client } from "@grpc/grpc-js";
import { Events as PbEvents } from "../../gen/services/events_pb.ts";
import { Introspection as PbIntrospection } from "../../gen/services/introspection_pb.ts";
import { Version as PbVersion } from "../../gen/services/version_pb.ts";
import { anyInit, envelopeInit, envelopeOf, platformOf } from "../convert.ts";
import type { Events, Introspection, Version } from "../services.ts";
import { caller } from "./caller.ts";

export function remoteVersion(client: Client): Version {
  const calls = caller(client, PbVersion);
  return {
    async version() {
      const { version, revision } = await calls.version(undefined, {});
      return { version, revision };
    },
  };
}

export function remoteIntrospection(client: Client): Introspection {
  const calls = caller(client, PbIntrospection);
  return {
    async plugins(filters) {
      const { plugins } = await calls.plugins(undefined, { filters: filters ?? [] });
      return plugins.map(({ type, id, platforms, exports, capabilities, initErr }) => ({
        type,
        id,
        platforms: platforms.map(platformOf),
        exports,
        capabilities,
        ...(initErr ? { initError: initErr.message } : {}),
      }));
    },
    async server() {
      const { uuid, pid, pidns } = await calls.server(undefined, {});
      return { uuid, pid: Number(pid), pidns: Number(pidns) };
    },
  };
}

export function remoteEvents(client: Client): Events {
  const calls = caller(client, PbEvents);
  return {
    async publish(ns, topic, event) {
      await calls.publish(ns, { topic, event: anyInit(event) });
    },
    async forward(envelope) {
      await calls.forward(envelope.namespace, { envelope: envelopeInit(envelope) });
    },
    subscribe(filters, signal) {
      const answers = calls.subscribe(undefined, { filters }, signal);
      return (async function* () {
        for await (const envelope of answers) yield envelopeOf(envelope);
      })();
    },
  };
}
