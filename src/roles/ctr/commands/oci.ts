import type { Command, Group } from "../command.ts";
import { containerFlags } from "../create.ts";
import { parseFlags } from "../flags.ts";
import { json } from "../format.ts";
import { containerSpec } from "../spec.ts";

const spec: Command = {
  names: ["spec"],
  about: "see the output of the default OCI spec",
  use: "",
  async run({ out }) {
    const { flags } = parseFlags(containerFlags, ["--cgroup", "/default"]);
    const user = { uid: 0, gid: 0, additionalGids: [] };
    out(json(containerSpec({ ns: "default", id: "", flags, args: ["sh"], user, root: "rootfs" })));
    return 0;
  },
};

export const oci: Group = { about: "OCI tools", commands: [spec] };
