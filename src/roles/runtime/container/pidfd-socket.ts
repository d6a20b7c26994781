// --pidfd-socket: the caller listens there for a descriptor of the process that was made.
import { pidfdOpen } from "../../../../ffi/process.ts";
import { sendFd } from "../../../../ffi/socket.ts";
import { connectSocket } from "./console-socket.ts";

export interface PidfdSocket {
  /** Sends a descriptor of the process, with runc's word for its kind, and closes the connection. */
  send(pid: number, kind: "standard" | "setns"): void;
}

/** Connected before anything is made, so that a wrong path costs nothing. */
export function connectPidfdSocket(path: string): PidfdSocket {
  const connection = connectSocket(path, "pidfd");
  return {
    send(pid, kind) {
      try {
        using process = pidfdOpen(pid);
        // Gone already: the caller learns it from the closed connection.
        if (process) sendFd(connection, process, kind);
      } finally {
        connection.close();
      }
    },
  };
}
