// Takes shims' events as containerd does, as a process of its own so that it can be killed with SIGKILL at any moment: an
// event is on disk before it is acknowledged. Arguments: the socket's path, the file for one line of JSON an event.
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { decode } from "../../src/wire/ttrpc/codec.ts";
import { Events, TOPICS, type Topic } from "../../src/wire/ttrpc/messages/events.ts";
import { TtrpcServer } from "../../src/wire/ttrpc/server.ts";

const [socket = "", file = ""] = process.argv.slice(2);
const out = openSync(file, "a");
rmSync(socket, { force: true });
new TtrpcServer()
  .register(Events, {
    forward: ({ envelope }) => {
      const event = decode(TOPICS[envelope!.topic as Topic], envelope!.event!.value);
      const plain = (_key: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
      writeSync(out, `${JSON.stringify({ topic: envelope!.topic, event }, plain)}\n`);
      return {};
    },
  })
  .listen({ address: socket });
process.on("exit", () => closeSync(out));
