// A machine that systemd runs (Debian's, of this host), with a message bus, and the list systemd.sh as one of its services.
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyProgram } from "./files.ts";
import { makeSmokeTree } from "./smoke.ts";

export const SYSTEMD = "/lib/systemd/systemd";

const UNITS: Readonly<Record<string, string>> = {
  "default.target": "[Unit]\nDefaultDependencies=no\nWants=dbus.socket dbus.service list.service\n",
  // systemd joins the bus once both of these run, under these names.
  "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
  "dbus.service": `[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
ExecStart=/usr/bin/dbus-daemon --config-file=/etc/bus.conf --address=systemd: --nofork --nopidfile --systemd-activation
`,
  "list.service": `[Unit]
DefaultDependencies=no
After=dbus.service
[Service]
Type=oneshot
ExecStart=/init list
TimeoutStartSec=infinity
`,
};

const BUS = `<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
`;

/** The smoke list's tree, with systemd on top. */
export function makeSystemdTree(tree: string, runtime: string): void {
  makeSmokeTree(tree, runtime);
  for (const program of [
    SYSTEMD,
    "/lib/systemd/systemd-shutdown",
    "/usr/bin/dbus-daemon",
    "/usr/bin/systemctl",
    "/usr/bin/busctl",
  ])
    copyProgram(tree, program);
  const units = join(tree, "etc/systemd/system");
  mkdirSync(units, { recursive: true });
  for (const [name, text] of Object.entries(UNITS)) writeFileSync(join(units, name), text);
  writeFileSync(join(tree, "etc/bus.conf"), BUS);
  writeFileSync(join(tree, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  writeFileSync(join(tree, "etc/group"), "root:x:0:\n");
  writeFileSync(join(tree, "etc/machine-id"), `${"0123456789abcdef".repeat(2)}\n`);
  copyFileSync(join(import.meta.dir, "systemd.sh"), join(tree, "init"));
  chmodSync(join(tree, "init"), 0o755);
}
