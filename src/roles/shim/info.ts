// `-info`: what this shim and its runtime can do. Reads a RuntimeRequest on stdin, writes a RuntimeInfo.
import { print } from "../../../ffi/output.ts";
import { selfCommand } from "../../self.ts";
import { commit, version } from "../../version.ts";
import { decode, encode } from "../../wire/ttrpc/codec.ts";
import { RuntimeInfo, RuntimeRequest } from "../../wire/ttrpc/messages/types.ts";
import { runcOptions } from "./runtime-options.ts";
import { readStdin } from "./start.ts";

/** The typeurl under which containerd's Go code registers the OCI features document. */
const FEATURES = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

export async function info(calledAs: string): Promise<number> {
  const request = decode(RuntimeRequest, readStdin());
  const { binaryName } = runcOptions(request.options);
  const own = selfCommand("runc");
  const child = Bun.spawnSync([...(binaryName ? [binaryName] : own.cmd), "features"], {
    argv0: binaryName ? undefined : own.argv0,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const features =
    child.exitCode === 0 ? { typeUrl: FEATURES, value: new Uint8Array(child.stdout) } : undefined;
  const name = `io.containerd.${calledAs.replace(/^containerd-shim-/, "").replaceAll("-", ".")}`;
  print(
    encode(RuntimeInfo, {
      name,
      version: { version, revision: commit },
      options: request.options,
      features,
    }),
  );
  return 0;
}
