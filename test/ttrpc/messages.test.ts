// Our field tables against the descriptors generated from src/wire/proto.
import { describe, expect, test } from "bun:test";
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import {
  AnySchema,
  EmptySchema,
  file_google_protobuf_any,
  file_google_protobuf_timestamp,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import * as genEvents from "../../src/wire/gen/events/task_pb.ts";
import * as cgroup1 from "../../src/wire/gen/metrics/cgroup1_pb.ts";
import * as cgroup2 from "../../src/wire/gen/metrics/cgroup2_pb.ts";
import * as genStatus from "../../src/wire/gen/rpc/status_pb.ts";
import * as genRpc from "../../src/wire/gen/rpc/ttrpc_pb.ts";
import * as genForward from "../../src/wire/gen/shim/events_pb.ts";
import * as genRunc from "../../src/wire/gen/shim/runc_pb.ts";
import * as genTask from "../../src/wire/gen/shim/task_v2_pb.ts";
import * as genTask3 from "../../src/wire/gen/shim/task_v3_pb.ts";
import * as genEnvelope from "../../src/wire/gen/types/envelope_pb.ts";
import * as genMount from "../../src/wire/gen/types/mount_pb.ts";
import * as genRuntime from "../../src/wire/gen/types/runtime_pb.ts";
import * as genTypes from "../../src/wire/gen/types/task_pb.ts";
import { DecodeError, decode, encode, type Kind, type MessageType } from "../../src/wire/ttrpc/codec.ts";
import * as events from "../../src/wire/ttrpc/messages/events.ts";
import * as metrics from "../../src/wire/ttrpc/messages/metrics.ts";
import * as rpc from "../../src/wire/ttrpc/messages/rpc.ts";
import * as task from "../../src/wire/ttrpc/messages/task.ts";
import * as types from "../../src/wire/ttrpc/messages/types.ts";
import * as wellKnown from "../../src/wire/ttrpc/messages/well-known.ts";
import type { Service } from "../../src/wire/ttrpc/service.ts";

void file_google_protobuf_any;
void file_google_protobuf_timestamp;

const descriptors = new Map<string, DescMessage>();
for (const schema of [AnySchema, EmptySchema, TimestampSchema]) descriptors.set(schema.typeName, schema);
for (const module of [
  cgroup1,
  cgroup2,
  genEvents,
  genStatus,
  genRpc,
  genForward,
  genRunc,
  genTask,
  genEnvelope,
  genMount,
  genRuntime,
  genTypes,
])
  for (const value of Object.values(module)) {
    const candidate = value as { kind?: string };
    if (candidate.kind === "message") descriptors.set((value as DescMessage).typeName, value as DescMessage);
  }

const tables = [rpc, events, metrics, task, types, wellKnown].flatMap((module) =>
  Object.values(module).filter(
    (value): value is MessageType => typeof value === "object" && "fields" in value,
  ),
);

function kindOf(field: DescField): Kind | string {
  const scalar = (type: ScalarType) => ScalarType[type]!.toLowerCase();
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar);
    case "enum":
      return "enum";
    case "message":
      return field.message.typeName;
    case "map":
      return "map";
    case "list":
      return `${field.listKind === "message" ? field.message.typeName : scalar(field.scalar as ScalarType)}[]`;
  }
}

function shown(kind: Kind): string {
  if (typeof kind === "string") return kind;
  if (Array.isArray(kind)) return `${shown((kind as readonly [Kind])[0])}[]`;
  return (kind as MessageType).name;
}

describe("message tables", () => {
  test("there are many", () => expect(tables.length).toBeGreaterThan(40));
  for (const table of tables)
    test(table.name, () => {
      const descriptor = descriptors.get(table.name);
      expect(descriptor).toBeDefined();
      const wanted = Object.fromEntries(
        descriptor!.fields
          // TaskIO and friends keep proto's names; "deprecated" fields are kept too.
          .map((field) => [field.localName, `${field.number} ${kindOf(field)}`]),
      );
      const have = Object.fromEntries(
        Object.entries(table.fields).map(([name, [number, kind]]) => [name, `${number} ${shown(kind)}`]),
      );
      expect(have).toEqual(wanted);
    });

  test("services", () => {
    for (const [ours, generated] of [
      [task.TaskV2, genTask.Task],
      [task.TaskV3, genTask3.Task],
      [events.Events, genForward.Events],
    ] as const) {
      const service: Service = ours;
      expect(service.name).toBe(generated.typeName);
      const unversioned = (name: string) => name.replace("task.v3.", "task.v2.");
      expect(Object.values(service.methods).map(([n, i, o]) => `${n} ${i.name} ${o.name}`)).toEqual(
        generated.methods.map(
          (m) => `${m.name} ${unversioned(m.input.typeName)} ${unversioned(m.output.typeName)}`,
        ),
      );
    }
  });
});

describe("codec", () => {
  const value = {
    id: "käse",
    bundle: "/b",
    rootfs: [{ type: "overlay", source: "overlay", target: "", options: ["lowerdir=/a", "", "x"] }],
    terminal: true,
    stdin: "",
    stdout: "/o",
    stderr: "/e",
    checkpoint: "",
    parentCheckpoint: "",
    options: { typeUrl: "t", value: new Uint8Array([0, 1, 255]) },
  };

  test("writes what the generated code reads, and the other way round", () => {
    const bytes = encode(task.CreateTaskRequest, value);
    const theirs = fromBinary(genTask.CreateTaskRequestSchema, bytes);
    expect(theirs.id).toBe("käse");
    expect(theirs.rootfs[0]!.options).toEqual(["lowerdir=/a", "", "x"]);
    expect([...toBinary(genTask.CreateTaskRequestSchema, theirs)]).toEqual([...bytes]);
    expect(decode(task.CreateTaskRequest, bytes)).toEqual(value);
  });

  test("64-bit and negative numbers", () => {
    for (const seconds of [0n, 1n, -1n, 1n << 48n, (1n << 63n) - 1n, -(1n << 63n), -62135596800n]) {
      const bytes = encode(wellKnown.Timestamp, { seconds, nanos: -5 });
      expect(fromBinary(TimestampSchema, bytes)).toMatchObject({ seconds, nanos: -5 });
      expect(decode(wellKnown.Timestamp, bytes)).toEqual({ seconds, nanos: -5 });
    }
  });

  test("maps, a __proto__ key included", () => {
    const bytes = encode(task.UpdateTaskRequest, { annotations: JSON.parse('{"__proto__":"x","a":""}') });
    const back = decode(task.UpdateTaskRequest, bytes).annotations;
    expect(Object.entries(back)).toEqual([
      ["__proto__", "x"],
      ["a", ""],
    ]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  test("skips unknown fields", () => {
    const bytes = toBinary(
      genEvents.TaskExitSchema,
      create(genEvents.TaskExitSchema, { containerId: "c", id: "e", pid: 9, exitStatus: 3 }),
    );
    expect(decode(events.TaskPaused, bytes)).toEqual({ containerId: "c" });
  });

  test("damaged bytes are a DecodeError or some message, never anything else", () => {
    const bytes = encode(task.CreateTaskRequest, value);
    for (let cut = 0; cut < bytes.length; cut++)
      for (const change of [0, 1, 0x7f, 0xff]) {
        const bad = bytes.slice(0, Math.max(cut, bytes.length - (cut % 7)));
        bad[cut] = change;
        try {
          decode(task.CreateTaskRequest, bad);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }
    expect(() => decode(task.CreateTaskRequest, new Uint8Array([0x0a, 0xff, 0xff, 0xff, 0x7f]))).toThrow(
      "exceeds the message",
    );
  });
});
