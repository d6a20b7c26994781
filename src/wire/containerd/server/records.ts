// Namespaces, images, containers and leases on gRPC.
import type { Server } from "@grpc/grpc-js";
import { Containers } from "../../gen/services/containers_pb.ts";
import { Images } from "../../gen/services/images_pb.ts";
import { Leases } from "../../gen/services/leases_pb.ts";
import { Namespaces } from "../../gen/services/namespaces_pb.ts";
import {
  containerInit,
  containerOf,
  descriptorOf,
  imageInit,
  imageOf,
  leaseInit,
  pathsOf,
} from "../convert.ts";
import { ServiceError, type Services } from "../services.ts";
import { serveOn } from "./service.ts";

const resourceOf = (one: { id: string; type: string } | undefined) => ({
  id: one?.id ?? "",
  type: one?.type ?? "",
});

export function serveRecords(server: Server, { namespaces, images, containers, leases }: Services): void {
  serveOn(server, Namespaces, {
    async get({ name }) {
      return {
        namespace: await namespaces.get(name).then(({ name, labels }) => ({ name, labels: { ...labels } })),
      };
    },
    async list() {
      const all = await namespaces.list();
      return { namespaces: all.map(({ name, labels }) => ({ name, labels: { ...labels } })) };
    },
    async create({ namespace }) {
      const made = await namespaces.create({ name: namespace?.name ?? "", labels: namespace?.labels ?? {} });
      return { namespace: { name: made.name, labels: { ...made.labels } } };
    },
    async update({ namespace, updateMask }) {
      const given = { name: namespace?.name ?? "", labels: namespace?.labels ?? {} };
      const updated = await namespaces.update(given, pathsOf(updateMask));
      return { namespace: { name: updated.name, labels: { ...updated.labels } } };
    },
    async delete({ name }) {
      await namespaces.delete(name);
      return {};
    },
  });

  serveOn(server, Images, {
    async get({ name }, call) {
      return { image: imageInit(await images.get(call.namespace, name)) };
    },
    async list({ filters }, call) {
      return { images: (await images.list(call.namespace, filters)).map(imageInit) };
    },
    async create({ image }, call) {
      return { image: imageInit(await images.create(call.namespace, imageOf(image))) };
    },
    async update({ image, updateMask }, call) {
      return { image: imageInit(await images.update(call.namespace, imageOf(image), pathsOf(updateMask))) };
    },
    async delete({ name, sync, target }, call) {
      if (target) {
        const { digest } = descriptorOf(target);
        const now = (await images.get(call.namespace, name)).target.digest;
        if (digest !== now) {
          throw new ServiceError(
            "FailedPrecondition",
            `image ${JSON.stringify(name)} has target ${now}, not ${digest}: failed precondition`,
          );
        }
      }
      await images.delete(call.namespace, name, { sync });
      return {};
    },
  });

  serveOn(server, Containers, {
    async get({ id }, call) {
      return { container: containerInit(await containers.get(call.namespace, id)) };
    },
    async list({ filters }, call) {
      return { containers: (await containers.list(call.namespace, filters)).map(containerInit) };
    },
    async *listStream({ filters }, call) {
      for (const one of await containers.list(call.namespace, filters))
        yield { container: containerInit(one) };
    },
    async create({ container }, call) {
      return { container: containerInit(await containers.create(call.namespace, containerOf(container))) };
    },
    async update({ container, updateMask }, call) {
      const updated = await containers.update(call.namespace, containerOf(container), pathsOf(updateMask));
      return { container: containerInit(updated) };
    },
    async delete({ id }, call) {
      await containers.delete(call.namespace, id);
      return {};
    },
  });

  serveOn(server, Leases, {
    async create({ id, labels }, call) {
      return { lease: leaseInit(await leases.create(call.namespace, id, labels)) };
    },
    async delete({ id, sync }, call) {
      await leases.delete(call.namespace, id, { sync });
      return {};
    },
    async list({ filters }, call) {
      return { leases: (await leases.list(call.namespace, filters)).map(leaseInit) };
    },
    async addResource({ id, resource }, call) {
      await leases.addResource(call.namespace, id, resourceOf(resource));
      return {};
    },
    async deleteResource({ id, resource }, call) {
      await leases.deleteResource(call.namespace, id, resourceOf(resource));
      return {};
    },
    async listResources({ id }, call) {
      return { resources: await leases.listResources(call.namespace, id) };
    },
  });
}
