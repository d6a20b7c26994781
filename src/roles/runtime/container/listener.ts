// The runtime's part in a seccomp listener: the connection to the agent, and the state it is told with the descriptor.
import type { Fd } from "../../../../ffi/fd.ts";
import { write } from "../../../../ffi/file.ts";
import { pipe } from "../../../launcher/spawn.ts";
import type { Seccomp } from "../../../spec/oci/runtime.ts";
import { DOCUMENT_LIMIT } from "../launch/seccomp-listener.ts";
import { connectConsole } from "./console-socket.ts";
import type { ContainerState } from "./state.ts";
import { stateDocument } from "./status.ts";

export interface Listener {
  /** Descriptors for the launcher: the agent's socket, then the pipe that the state comes by. */
  stdio: number[];
  /** Hands the launcher the container process state. `pid`: of the process the filter is for. */
  announce(pid: number, state: ContainerState): void;
  close(): void;
}

/** The version of ContainerProcessState that the spec's own example has. */
const OCI_VERSION = "0.2.0";

/** Connects to the agent. Throws when nobody listens there. */
export function openListener(seccomp: Seccomp): Listener {
  const socket: Fd = connectConsole(seccomp.listenerPath ?? "");
  const document = pipe("container process state");
  return {
    stdio: [socket.number, document.readEnd.number],
    announce(pid, state) {
      const text = JSON.stringify({
        ociVersion: OCI_VERSION,
        fds: ["seccompFd"],
        pid,
        metadata: seccomp.listenerMetadata ?? "",
        state: { ...stateDocument(state, "creating"), pid },
      });
      const bytes = new TextEncoder().encode(text);
      if (bytes.length > DOCUMENT_LIMIT)
        throw new Error(
          `linux.seccomp: the state for the listener has ${bytes.length} bytes, at most ${DOCUMENT_LIMIT} fit`,
        );
      write(document.writeEnd, bytes);
    },
    close() {
      socket.close();
      document.readEnd.close();
      document.writeEnd.close();
    },
  };
}
