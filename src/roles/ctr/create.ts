// A container record with its snapshot, from an image or from a directory: what `create` and `run` share.
import { create as message, toBinary } from "@bufbuild/protobuf";
import { chainIds } from "../../spec/oci/image.ts";
import { parsePlatform } from "../../spec/oci/platform.ts";
import { withLease } from "../../wire/containerd/lease.ts";
import type { AnyValue, ContainerRecord, Mount, Services } from "../../wire/containerd/services.ts";
import { OptionsSchema } from "../../wire/gen/shim/runc_pb.ts";
import { type Invocation, SNAPSHOTTER, UsageError } from "./command.ts";
import type { FlagSpec, Flags } from "./flags.ts";
import { labelArgs, rfc3339 } from "./format.ts";
import { contentOf } from "./image-content.ts";
import { containerSpec } from "./spec.ts";
import { resolveUser } from "./user.ts";

const SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const STOP_SIGNAL = "io.containerd.image.config.stop-signal";
/** An interrupted creation holds its snapshot no longer than this. */
const LEASE_LIFE = 60 * 60 * 1000;

const flag = (
  kind: FlagSpec["kind"],
  name: string,
  about: string,
  more: Partial<FlagSpec> = {},
): FlagSpec => ({
  name,
  kind,
  about,
  ...more,
});

export const containerFlags: readonly FlagSpec[] = [
  SNAPSHOTTER,
  flag("string", "config", "path to the runtime-specific spec config file", { aliases: ["c"] }),
  flag("string", "cwd", "specify the working directory of the process"),
  flag("strings", "env", "specify additional container environment variables (e.g. FOO=bar)"),
  flag(
    "string",
    "env-file",
    "specify additional container environment variables in a file(e.g. FOO=bar, one per line)",
  ),
  flag("strings", "label", "specify additional labels (e.g. foo=bar)"),
  flag("strings", "annotation", "specify additional OCI annotations (e.g. foo=bar)"),
  flag(
    "strings",
    "mount",
    "specify additional container mount (e.g. type=bind,src=/tmp,dst=/host,options=rbind:ro)",
  ),
  flag("boolean", "net-host", "enable host networking for the container"),
  flag("boolean", "privileged", "run privileged container"),
  flag("boolean", "read-only", "set the containers filesystem as readonly"),
  flag("string", "runtime", "runtime name", { default: "io.containerd.runc.v2" }),
  flag("boolean", "tty", "allocate a TTY for the container", { aliases: ["t"] }),
  flag(
    "strings",
    "with-ns",
    "specify existing Linux namespaces to join at container runtime (format '<nstype>:<path>')",
  ),
  flag("string", "pid-file", "file path to write the task's pid"),
  flag("boolean", "allow-new-privs", "turn off OCI spec's NoNewPrivileges feature flag"),
  flag("number", "memory-limit", "memory limit (in bytes) for the container", { default: "0" }),
  flag("strings", "device", "file path to a device to add to the container"),
  flag("strings", "cap-add", "add Linux capabilities (Set capabilities with 'CAP_' prefix)"),
  flag("strings", "cap-drop", "drop Linux capabilities (Set capabilities with 'CAP_' prefix)"),
  flag("boolean", "rootfs", "use custom rootfs that is not managed by containerd snapshotter"),
  flag("number", "cpu-quota", "Limit CPU CFS quota", { default: "-1" }),
  flag("number", "cpu-period", "Limit CPU CFS period", { default: "0" }),
  flag("string", "cgroup", 'cgroup path (To disable use of cgroup, set to "" explicitly)'),
  flag("string", "runc-binary", "specify runc-compatible binary"),
  flag("string", "runc-root", "specify runc-compatible root"),
  flag("boolean", "runc-systemd-cgroup", "start runc with systemd cgroup manager"),
  flag("boolean", "no-pivot", "disable use of pivot-root (linux only)"),
  flag("string", "rootfs-propagation", "set the propagation of the container rootfs"),
  flag("number", "cpus", "set the CFS cpu quota", { default: "0" }),
  flag("number", "cpu-shares", "set the cpu shares", { default: "1024" }),
  flag("strings", "snapshotter-label", "labels added to the new snapshot for this container."),
  flag("string", "platform", "run image for specific platform"),
];

function runtimeOptions(flags: Flags): AnyValue {
  const options = message(OptionsSchema, {
    binaryName: flags.string("runc-binary"),
    root: flags.string("runc-root"),
    systemdCgroup: flags.boolean("runc-systemd-cgroup"),
    noPivotRoot: flags.boolean("no-pivot"),
  });
  return { typeUrl: OptionsSchema.typeName, value: toBinary(OptionsSchema, options) };
}

const record = (
  id: string,
  flags: Flags,
  spec: unknown,
): Omit<ContainerRecord, "createdAt" | "updatedAt"> => ({
  id,
  labels: labelArgs(flags.strings("label")),
  image: "",
  runtime: { name: flags.string("runtime"), options: runtimeOptions(flags) },
  spec: { typeUrl: SPEC_TYPE, value: new TextEncoder().encode(JSON.stringify(spec)) },
  snapshotter: "",
  snapshotKey: "",
  extensions: {},
});

/** A directory of the host's, or a whole spec of the user's, instead of an image. */
async function withoutImage(
  { containers }: Services,
  { ns, flags, args }: Invocation,
): Promise<ContainerRecord> {
  const file = flags.string("config");
  if (file !== "") {
    const [id] = args;
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    return containers.create(ns, record(id, flags, await Bun.file(file).json()));
  }
  const [root, id, ...words] = args;
  if (!root || !id) throw new UsageError("container id must be provided: invalid argument");
  const { resolve } = await import("node:path");
  const user = { uid: 0, gid: 0, additionalGids: [0] };
  return containers.create(
    ns,
    record(id, flags, containerSpec({ ns, id, flags, args: words, user, root: resolve(root) })),
  );
}

/** Makes the container. On failure nothing of it is left. Throws ServiceError, UsageError. */
export async function createContainer(services: Services, invocation: Invocation): Promise<ContainerRecord> {
  const { ns, flags, args } = invocation;
  if (flags.boolean("rootfs") || flags.string("config") !== "") return withoutImage(services, invocation);
  const [name, id, ...words] = args;
  if (!name) throw new UsageError("image ref must be provided: invalid argument");
  if (!id) throw new UsageError("container id must be provided: invalid argument");
  const image = await services.images.get(ns, name);
  const platform = flags.string("platform");
  const { config } = await contentOf(
    services.content,
    ns,
    image.target,
    platform === "" ? undefined : parsePlatform(platform),
  );
  const snapshotterName = flags.string("snapshotter") || "overlayfs";
  const snapshotter = services.snapshots.snapshotter(snapshotterName);
  const top = chainIds(config.rootfs.diff_ids).at(-1) ?? "";
  const expires = rfc3339(new Date(Date.now() + LEASE_LIFE));
  const lease = await services.leases.create(ns, "", { "containerd.io/gc.expire": expires });
  try {
    return await withLease(lease.id, async () => {
      const mounts: Mount[] = await snapshotter.prepare(
        ns,
        id,
        top,
        labelArgs(flags.strings("snapshotter-label")),
      );
      try {
        const user = resolveUser(config.config?.User ?? "", mounts);
        const spec = containerSpec({ ns, id, flags, args: words, image: config, user, root: "rootfs" });
        const base = record(id, flags, spec);
        return await services.containers.create(ns, {
          ...base,
          labels: {
            ...config.config?.Labels,
            [STOP_SIGNAL]: config.config?.StopSignal || "SIGTERM",
            ...base.labels,
          },
          image: name,
          snapshotter: snapshotterName,
          snapshotKey: id,
        });
      } catch (error) {
        await snapshotter.remove(ns, id).catch(() => {});
        throw error;
      }
    });
  } finally {
    await services.leases.delete(ns, lease.id).catch(() => {});
  }
}

/** Takes a container and its snapshot away again. */
export async function removeContainer(services: Services, ns: string, one: ContainerRecord): Promise<void> {
  if (one.snapshotKey !== "") {
    await services.snapshots.snapshotter(one.snapshotter).remove(ns, one.snapshotKey);
  }
  await services.containers.delete(ns, one.id);
}
