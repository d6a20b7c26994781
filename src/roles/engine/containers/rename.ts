// POST /containers/{id}/rename
import { ApiError, badRequest, conflict, toApiError } from "../errors.ts";
import type { Container } from "./container.ts";
import { checkName } from "./names.ts";
import { containerEvent, type Room } from "./room.ts";

export function renameContainer(room: Room, container: Container, wanted: string): Promise<void> {
  return container.mailbox.run(async () => {
    if (wanted === "") throw badRequest("Neither old nor new names may be empty");
    const name = checkName(wanted);
    const old = container.name;
    if (name === old) {
      throw badRequest("Renaming a container with the same name as its current name");
    }
    if (container.state.stored.RemovalInProgress) {
      throw conflict(`container ${container.id} is marked for removal and cannot be renamed`);
    }
    try {
      room.registry.reserve(name, container.id);
    } catch (error) {
      const { status, message } = toApiError(error);
      throw new ApiError(status, `Error when allocating new name: ${message}`, { cause: error });
    }
    container.record.Name = `/${name}`;
    try {
      room.disk.save(container.record);
    } catch (error) {
      container.record.Name = `/${old}`;
      room.registry.release(name, container.id);
      throw error;
    }
    room.registry.release(old, container.id);
    await room.engine.networks.rename(container.id, name);
    containerEvent(room, container, "rename", { oldName: `/${old}` });
  });
}
