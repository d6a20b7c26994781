// Checkpoints need CRIU under the runtime, which Bunker does not drive: refused by name rather than unknown.
import { ServiceError } from "../../../wire/containerd/services.ts";
import { type Command, UsageError } from "../command.ts";

const refusal = () =>
  new ServiceError("Unimplemented", "checkpoints are not supported by this ctr: not implemented");

export const checkpoint: Command = {
  names: ["checkpoint"],
  about: "checkpoint a container (not supported)",
  use: "[command options] CONTAINER",
  flags: [
    { name: "exit", kind: "boolean", about: "stop the container after the checkpoint" },
    { name: "image-path", kind: "string", about: "path to criu image files" },
    { name: "work-path", kind: "string", about: "path to criu work files and logs" },
  ],
  async run({ services, ns, args: [id] }) {
    if (!id) throw new UsageError("container id must be provided: invalid argument");
    const { containers } = await services();
    await containers.get(ns, id);
    throw refusal();
  },
};

export const restore: Command = {
  names: ["restore"],
  about: "restore a container from checkpoint (not supported)",
  use: "[command options] CONTAINER REF",
  flags: [
    { name: "rw", kind: "boolean", about: "restore the rw layer from the checkpoint" },
    { name: "live", kind: "boolean", about: "restore the runtime and memory data from the checkpoint" },
  ],
  async run() {
    throw refusal();
  },
};
