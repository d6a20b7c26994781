// Talking with systemd: scopes made, changed and stopped over the bus. org.freedesktop.systemd1(5)
import { exists } from "../../../../ffi/path.ts";
import { BusConnection, DBusError } from "../../../wire/dbus/connection.ts";
import { type Value, Variant } from "../../../wire/dbus/marshal.ts";
import { RuntimeError } from "../errors.ts";
import type { Property } from "./properties.ts";
import type { Unit } from "./unit.ts";

const SYSTEMD = "org.freedesktop.systemd1";
const MANAGER = { destination: SYSTEMD, path: "/org/freedesktop/systemd1", interface: `${SYSTEMD}.Manager` };

/** Whether systemd runs this machine. man 3 sd_booted */
export const booted = () => exists("/run/systemd/system");

function address(user: boolean): string {
  if (!user) return process.env["DBUS_SYSTEM_BUS_ADDRESS"] ?? "unix:path=/run/dbus/system_bus_socket";
  const directory = process.env["XDG_RUNTIME_DIR"] ?? `/run/user/${process.geteuid?.()}`;
  return process.env["DBUS_SESSION_BUS_ADDRESS"] ?? `unix:path=${directory}/bus`;
}

export class Manager implements Disposable {
  readonly #bus: BusConnection;

  /** Throws where there is no systemd, or no bus to reach it by. */
  constructor(user: boolean) {
    if (!booted())
      throw new RuntimeError(
        "systemd cgroup flag passed, but systemd support for managing cgroups is not available: this machine does not run systemd (no /run/systemd/system)",
      );
    const where = address(user);
    try {
      this.#bus = BusConnection.open(where);
    } catch (error) {
      throw new RuntimeError(`failed to connect to dbus at ${where}: ${(error as Error).message}`);
    }
  }

  #call(member: string, signature: string, ...body: Value[]): Value[] {
    return this.#bus.call({ ...MANAGER, member, signature, body });
  }

  /** The cgroup that this manager's units are below: "" for the system's. */
  controlGroup(): string {
    const [value] = this.#bus.call({
      ...MANAGER,
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      body: [MANAGER.interface, "ControlGroup"],
    });
    const path = (value as Variant).value as string;
    return path === "/" ? "" : path;
  }

  /** Starts a job and waits for its end. Throws unless it is "done". */
  #job(unit: string, start: () => Value[]): void {
    this.#bus.call({
      destination: "org.freedesktop.DBus",
      path: "/org/freedesktop/DBus",
      interface: "org.freedesktop.DBus",
      member: "AddMatch",
      signature: "s",
      body: [`type='signal',interface='${MANAGER.interface}',member='JobRemoved',path='${MANAGER.path}'`],
    });
    this.#call("Subscribe", "");
    const [job] = start();
    const { body } = this.#bus.waitSignal(
      (signal) => signal.member === "JobRemoved" && signal.body[1] === job,
    );
    const result = body[3];
    if (result !== "done")
      throw new RuntimeError(
        `error creating or stopping systemd unit ${unit}: got ${JSON.stringify(result)}`,
      );
  }

  /** A new scope (or slice) around processes that exist. A failed unit of the name makes room for it. */
  start({ name, slice }: Unit, pids: readonly number[], properties: readonly Property[]): void {
    const isSlice = name.endsWith(".slice");
    const all: Property[] = [
      ["Description", new Variant("s", `libcontainer container ${name}`)],
      isSlice ? ["Wants", new Variant("as", [slice])] : ["Slice", new Variant("s", slice)],
      ...(isSlice
        ? []
        : ([
            ["Delegate", new Variant("b", true)],
            ["PIDs", new Variant("au", pids)],
          ] as const)),
      ...(["MemoryAccounting", "CPUAccounting", "TasksAccounting"] as const).map(
        (accounting): Property => [accounting, new Variant("b", true)],
      ),
      ["DefaultDependencies", new Variant("b", false)],
      ...properties,
    ];
    const start = () =>
      this.#call("StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", all as Value, []);
    this.#job(name, () => {
      try {
        return start();
      } catch (error) {
        if (!(error instanceof DBusError) || error.errorName !== `${SYSTEMD}.UnitExists`) throw error;
        this.resetFailed(name);
        return start();
      }
    });
  }

  /** Changes limits of a unit that runs, until the next boot. */
  setProperties(name: string, properties: readonly Property[]): void {
    if (properties.length > 0) this.#call("SetUnitProperties", "sba(sv)", name, true, properties as Value);
  }

  /** Stops a unit and forgets that it failed; fine when it is gone. */
  stop(name: string): void {
    try {
      this.#job(name, () => this.#call("StopUnit", "ss", name, "replace"));
    } catch (error) {
      if (!(error instanceof DBusError) || error.errorName !== `${SYSTEMD}.NoSuchUnit`) throw error;
    }
    this.resetFailed(name);
  }

  resetFailed(name: string): void {
    try {
      this.#call("ResetFailedUnit", "s", name);
    } catch (error) {
      // It is not loaded any more: nothing to forget.
      if (!(error instanceof DBusError)) throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#bus[Symbol.dispose]();
  }
}
