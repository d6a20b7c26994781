// The flags of the classic builder.
import { checkEnv, checkHost, checkLabel } from "../create/checks.ts";
import { containerFlags } from "../create/flags.ts";
import type { Flag } from "../flags/flagset.ts";

const shared = (...names: string[]): Flag[] => containerFlags.filter(({ name }) => names.includes(name));

export const buildFlags: readonly Flag[] = [
  ...shared(
    "cpu-period",
    "cpu-quota",
    "cpu-shares",
    "cpuset-cpus",
    "cpuset-mems",
    "isolation",
    "memory",
    "memory-swap",
    "ulimit",
  ),
  { name: "add-host", kind: "list", check: checkHost, usage: 'Add a custom host-to-IP mapping ("host:ip")' },
  { name: "build-arg", kind: "list", check: checkEnv, usage: "Set build-time variables" },
  { name: "cache-from", kind: "strings", usage: "Images to consider as cache sources" },
  {
    name: "cgroup-parent",
    kind: "string",
    usage: 'Set the parent cgroup for the "RUN" instructions during build',
  },
  { name: "compress", kind: "bool", usage: "Compress the build context using gzip" },
  { name: "disable-content-trust", kind: "bool", default: true, usage: "Skip image verification" },
  {
    name: "file",
    short: "f",
    kind: "string",
    usage: 'Name of the Dockerfile (Default is "PATH/Dockerfile")',
  },
  { name: "force-rm", kind: "bool", usage: "Always remove intermediate containers" },
  { name: "iidfile", kind: "string", usage: "Write the image ID to the file" },
  { name: "label", kind: "list", check: checkLabel, usage: "Set metadata for an image" },
  // buildx's: the image is always loaded, and the progress is plain.
  { name: "load", kind: "bool", hidden: true, usage: "" },
  { name: "progress", kind: "string", hidden: true, usage: "" },
  {
    name: "network",
    kind: "string",
    default: "default",
    usage: "Set the networking mode for the RUN instructions during build",
  },
  { name: "no-cache", kind: "bool", usage: "Do not use cache when building the image" },
  {
    name: "platform",
    kind: "string",
    default: process.env["DOCKER_DEFAULT_PLATFORM"] ?? "",
    usage: "Set platform if server is multi-platform capable",
  },
  { name: "pull", kind: "bool", usage: "Always attempt to pull a newer version of the image" },
  {
    name: "quiet",
    short: "q",
    kind: "bool",
    usage: "Suppress the build output and print image ID on success",
  },
  {
    name: "rm",
    kind: "bool",
    default: true,
    usage: "Remove intermediate containers after a successful build",
  },
  { name: "security-opt", kind: "strings", usage: "Security options" },
  { name: "shm-size", kind: "bytes", usage: 'Size of "/dev/shm"' },
  { name: "squash", kind: "bool", usage: "Squash newly built layers into a single new layer" },
  { name: "tag", short: "t", kind: "list", usage: 'Name and optionally a tag in the "name:tag" format' },
  { name: "target", kind: "string", usage: "Set the target build stage to build." },
];
