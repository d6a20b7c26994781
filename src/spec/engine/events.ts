// GET /events (Engine API, definition EventMessage).

export type EventType =
  | "builder"
  | "config"
  | "container"
  | "daemon"
  | "image"
  | "network"
  | "node"
  | "plugin"
  | "secret"
  | "service"
  | "volume";

export interface EventActor {
  ID: string;
  Attributes: Record<string, string>;
}

export interface EventMessage {
  /** Old names of Action, Actor.ID and the image, for container and image events. */
  status?: string;
  id?: string;
  from?: string;
  Type: EventType;
  Action: string;
  Actor: EventActor;
  scope: "local" | "swarm";
  time: number;
  /** Nanoseconds do not fit a double: a bigint here, a bare number on the wire. */
  timeNano: bigint;
}
