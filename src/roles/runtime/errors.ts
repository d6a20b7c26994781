// Errors in runc's words: callers (containerd's shim, dockerd, conmon) decide by them.

/** A failure whose message is complete; the verb's frame ("runc create failed: …") is put around it by the caller. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  constructor(
    message: string,
    /** What the program exits with. */
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

export const notExist = () => new RuntimeError("container does not exist");
export const notRunning = () => new RuntimeError("container not running");
export const alreadyExists = () => new RuntimeError("container with given ID already exists");
