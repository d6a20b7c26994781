// A shim before its container: our own containerd starts it ahead of time, everything loaded, and tells it over the connection
// that it is born with whose it is; when the container is deleted it may wait for another. It ends with that connection as
// long as it has none.
import { O_CLOEXEC, O_RDWR } from "../../../ffi/constants/fcntl.ts";
import type { Fd } from "../../../ffi/fd.ts";
import { open } from "../../../ffi/file.ts";
import { syscall } from "../../../ffi/libc.ts";
import { removeFile, writeText } from "../../../ffi/path.ts";
import { LONG_LIFE } from "../../lives.ts";
import { log } from "../../observe/log.ts";
import { ServiceError } from "../../wire/containerd/services.ts";
import type { Message } from "../../wire/ttrpc/codec.ts";
import { TtrpcServer } from "../../wire/ttrpc/server.ts";
import { shimSocket } from "../../wire/ttrpc/shim-address.ts";
import { type AdoptRequest, CONNECTION, ShimWaiting, WAIT } from "../../wire/ttrpc/shim-waiting.ts";
import { touch } from "./activity.ts";
import { replaceArguments } from "./arguments.ts";
import { Exits } from "./exits.ts";
import type { Flags } from "./flags.ts";
import { checkIdentifier } from "./identifier.ts";
import { listen, openLog } from "./listening.ts";
import type { LoadResident } from "./oci/own.ts";
import { endProcess, FLUSH, keepProcess, LISTENER, Session } from "./session.ts";

/** Puts `fd` at the place of another descriptor. */
const place = (fd: Fd, at: number) => syscall("dup3", fd.path, fd.number, at, O_CLOEXEC);

export async function waitForContainer(waiting: Flags, resident: LoadResident | undefined): Promise<number> {
  keepProcess();
  // Executables without the prologue leave it standing.
  delete process.env[LONG_LIFE];
  const words = ["-address", waiting.address, WAIT];
  const exits = new Exits();
  let session: Session | undefined;
  let born = false;
  const server = new TtrpcServer(
    (error) => log("warning", "a connection was ended", { error }),
    () => {
      touch();
      if (born && !session && server.connections === 0) process.exit(0);
    },
  );

  /** No container's place, log or socket. */
  const rest = () => {
    const none = open("/dev/null", O_RDWR);
    for (const at of [0, 1, 2]) syscall("dup3", none.path, none.number, at, 0);
    // A closed listener's number is the first that is given out.
    if (none.number === LISTENER) none.release();
    else place(none, LISTENER);
    none.close();
    process.chdir("/");
    replaceArguments(words);
  };

  const adopt = (request: Message<typeof AdoptRequest>): { address: string } => {
    const { namespace, id, address, ttrpcAddress, publishBinary, bundle } = request;
    if (session) throw new ServiceError("FailedPrecondition", "this shim has a container");
    checkIdentifier(namespace);
    checkIdentifier(id);
    const flags: Flags = { ...waiting, namespace, id, address, publishBinary, bundle, action: "" };
    const path = shimSocket(address, namespace, id);
    const made = listen(path);
    if (!made) throw new ServiceError("AlreadyExists", `${path}: another shim listens there`);
    using listener = made;
    try {
      process.chdir(bundle);
      place(listener, LISTENER);
      using output = openLog(bundle);
      if (output) for (const at of [1, 2]) syscall("dup3", output.path, output.number, at, 0);
      const own = ["-namespace", namespace, "-id", id, "-address", address];
      if (!replaceArguments([...own, "-publish-binary", publishBinary, "-bundle", bundle]))
        throw new ServiceError("ResourceExhausted", "there is no room for the arguments");
      process.env["TTRPC_ADDRESS"] = ttrpcAddress;
      writeText(`${bundle}/shim.pid`, String(process.pid));
      writeText(`${bundle}/address`, `unix://${path}`);
    } catch (error) {
      rest();
      removeFile(path);
      throw error;
    }
    const begun = new Session(flags, { server, exits, resident });
    session = begun;
    begun.serve();
    void begun.over.then(() => endProcess(begun, server));
    return { address: `unix://${path}` };
  };

  const release = async (): Promise<object> => {
    const ending = session;
    if (!ending?.empty) throw new ServiceError("FailedPrecondition", "this shim has a container");
    if ((await ending.publisher.flush(FLUSH)) > 0)
      throw new ServiceError("Unavailable", "events are still to be delivered");
    if (session !== ending || !ending.empty)
      throw new ServiceError("FailedPrecondition", "this shim has a container");
    ending.stop();
    session = undefined;
    server.deafen();
    removeFile(ending.socket);
    rest();
    return {};
  };

  server.register(ShimWaiting, { adopt, release });
  rest();
  const fresh = { fd: CONNECTION, held: new Uint8Array(), skip: 0, lastStream: -1, refused: [], calls: [] };
  await server.adopt(fresh);
  born = true;
  // What it will need, while there is time.
  resident?.().catch((error: unknown) => log("warning", "the runtime cannot be loaded", { error }));
  return new Promise<never>(() => {});
}
