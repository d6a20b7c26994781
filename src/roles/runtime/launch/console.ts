// The terminal: a pty of the container's own devpts, its master sent out by descriptor, its slave made stdio.
import { F_SETFL, O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR } from "../../../../ffi/constants/fcntl.ts";
import { TIOCGPTN, TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ } from "../../../../ffi/constants/tty.ts";
import { Address, bits } from "../../../launcher/plan.ts";
import { attach, type Context, openInRoot } from "./context.ts";
import { openMountpoint } from "./mountpoint.ts";
import { COPY_OPEN } from "./open-flags.ts";
import { sendDescriptor } from "./send-descriptor.ts";

export interface Console {
  size: { height: number; width: number } | undefined;
  /** Owner of the slave. */
  uid: number;
  /** Bind the slave on /dev/console (init does, exec does not). */
  bind: boolean;
}

/** Opens a pty, sends the master over descriptor `fds.console`, leaves the slave on 0, 1 and 2 as controlling terminal. */
export function addConsole(context: Context, options: Console): void {
  const { plan, fds } = context;
  const master = plan.slot("master");
  const slave = plan.slot("slave");
  const why = "setting up the console";
  // Non-blocking, so that a FIFO planted at this path cannot hold the launcher; TIOCGPTN then refuses all but a pty master.
  openInRoot(context, "dev/pts/ptmx", bits({ O_RDWR, O_NOCTTY, O_NONBLOCK }), {
    into: master,
    why: `${why}: opening /dev/pts/ptmx`,
  });
  plan.call("ioctl", [master, bits({ TIOCGPTN }), plan.bytes("pty number", new Uint8Array(8))], { why });
  plan.call("fcntl", [master, bits({ F_SETFL }), bits({ O_RDWR })], { why });
  plan.call("ioctl", [master, bits({ TIOCSPTLCK }), plan.bytes("unlocked", new Uint8Array(8))], { why });
  plan.call("ioctl", [master, bits({ TIOCGPTPEER }), bits({ O_RDWR, O_NOCTTY, O_CLOEXEC })], {
    into: slave,
    why,
  });
  if (options.size) {
    const size = new Uint16Array([options.size.height, options.size.width, 0, 0]);
    const at = plan.bytes("", new Uint8Array(size.buffer));
    plan.call("ioctl", [slave, bits({ TIOCSWINSZ }), new Address(at.offset, `{${size[0]}x${size[1]}}`)], {
      why,
    });
  }
  if (options.uid !== 0)
    plan.call("fchown", [slave, options.uid, -1], { why: `${why}: giving the terminal to the user` });
  if (options.bind) {
    const target = plan.slot("target");
    const mount = plan.slot("console");
    openMountpoint(context, "/dev/console", "file", target, why);
    plan.call("open_tree", [slave, plan.string(""), COPY_OPEN], {
      into: mount,
      why,
    });
    attach(context, mount, target, why);
    plan.call("close", [mount]);
  }
  // A name as payload, as runc sends it.
  sendDescriptor(
    context,
    fds.console,
    master,
    plan.string("/dev/ptmx"),
    9,
    "sending the console's descriptor",
  );
  plan.call("setsid", [], { tolerate: ["EPERM"] });
  plan.call("ioctl", [slave, bits({ TIOCSCTTY }), 0], { why: `${why}: making it the controlling terminal` });
  for (const fd of [0, 1, 2]) plan.call("dup3", [slave, fd, 0], { why });
  plan.call("close", [slave]);
  plan.call("close", [master]);
  plan.call("close", [fds.console]);
}
