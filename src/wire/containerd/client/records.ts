// Namespaces, images, containers and leases of a containerd behind a socket.
import type { Client } from "@grpc/grpc-js";
import { Containers as PbContainers } from "../../gen/services/containers_pb.ts";
import { Images as PbImages } from "../../gen/services/images_pb.ts";
import { Leases as PbLeases } from "../../gen/services/leases_pb.ts";
import { Namespaces as PbNamespaces } from "../../gen/services/namespaces_pb.ts";
import { containerInit, containerOf, imageInit, imageOf, labelsInit, leaseOf, maskInit } from "../convert.ts";
import type { Containers, Images, Leases, NamespaceInfo, Namespaces } from "../services.ts";
import { caller } from "./caller.ts";

export function remoteNamespaces(client: Client): Namespaces {
  const calls = caller(client, PbNamespaces);
  const of = (one: { name: string; labels: Record<string, string> } | undefined): NamespaceInfo => ({
    name: one?.name ?? "",
    labels: one?.labels ?? {},
  });
  const init = ({ name, labels }: NamespaceInfo) => ({ name, labels: labelsInit(labels) });
  return {
    get: async (name) => of((await calls.get(undefined, { name })).namespace),
    list: async () => (await calls.list(undefined, {})).namespaces.map(of),
    // containerd publishes these changes as events, and events want a namespace: its own.
    create: async (info) => of((await calls.create(info.name, { namespace: init(info) })).namespace),
    async update(info, fieldpaths) {
      const request = { namespace: init(info), updateMask: maskInit(fieldpaths) };
      return of((await calls.update(info.name, request)).namespace);
    },
    async delete(name) {
      await calls.delete(name, { name });
    },
  };
}

export function remoteImages(client: Client): Images {
  const calls = caller(client, PbImages);
  return {
    get: async (ns, name) => imageOf((await calls.get(ns, { name })).image),
    list: async (ns, filters) => (await calls.list(ns, { filters: filters ?? [] })).images.map(imageOf),
    create: async (ns, image) => imageOf((await calls.create(ns, { image: imageInit(image) })).image),
    async update(ns, image, fieldpaths) {
      const request = { image: imageInit(image), updateMask: maskInit(fieldpaths) };
      return imageOf((await calls.update(ns, request)).image);
    },
    async delete(ns, name, options = {}) {
      await calls.delete(ns, { name, sync: options.sync ?? false });
    },
  };
}

export function remoteContainers(client: Client): Containers {
  const calls = caller(client, PbContainers);
  return {
    get: async (ns, id) => containerOf((await calls.get(ns, { id })).container),
    list: async (ns, filters) =>
      (await calls.list(ns, { filters: filters ?? [] })).containers.map(containerOf),
    create: async (ns, one) =>
      containerOf((await calls.create(ns, { container: containerInit(one) })).container),
    async update(ns, one, fieldpaths) {
      const request = { container: containerInit(one), updateMask: maskInit(fieldpaths) };
      return containerOf((await calls.update(ns, request)).container);
    },
    async delete(ns, id) {
      await calls.delete(ns, { id });
    },
  };
}

export function remoteLeases(client: Client): Leases {
  const calls = caller(client, PbLeases);
  return {
    create: async (ns, id, labels) =>
      leaseOf((await calls.create(ns, { id, labels: labelsInit(labels) })).lease),
    async delete(ns, id, options = {}) {
      await calls.delete(ns, { id, sync: options.sync ?? false });
    },
    list: async (ns, filters) => (await calls.list(ns, { filters: filters ?? [] })).leases.map(leaseOf),
    async addResource(ns, id, resource) {
      await calls.addResource(ns, { id, resource });
    },
    async deleteResource(ns, id, resource) {
      await calls.deleteResource(ns, { id, resource });
    },
    listResources: async (ns, id) =>
      (await calls.listResources(ns, { id })).resources.map((one) => ({ id: one.id, type: one.type })),
  };
}
