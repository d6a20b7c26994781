// A fuzzed request for a route: its path, query, headers and body, and ways to break the bytes.
import { bodyFor, textOf } from "./body.ts";
import { type Dice, junk, TEXTS } from "./dice.ts";
import type { Route } from "./routes.ts";

export interface FuzzedRequest {
  bytes: Buffer;
  halfClose?: boolean;
  leave?: boolean;
  /** The bytes do not make a whole request: no answer is an answer. */
  partial?: boolean;
}

// Every parameter that a route reads.
const QUERIES =
  `all author changes comment condition container copyUIDGID dangling detachKeys details filters follow force fromImage
fromSrc h id limit link logs manifests message name noOverwriteDirNonDir noprune one-shot path pause platform ps_args quiet
remote repo rm dockerfile buildargs labels cachefrom memory shmsize ulimits extrahosts target networkmode t shared-size
signal since size stderr stdin stdout stream tag tail term timestamps type until v w`.split(/\s+/);

const VERSIONS = ["", "/v1.51", "/v1.47", "/v1.41", "/v1.24"];
const ODD_VERSIONS = ["/v1.12", "/v0.1", "/v99.9", "/v1", "/v.", "/v1..2"];

function fillPath(route: Route, chance: Dice, names: readonly string[]): string {
  return route.path
    .replace(/:[a-z]+(\{[^}]*\})?/g, () => {
      if (chance.roll(3) > 0) return encodeURIComponent(chance.pick(names));
      const text = chance.pick(TEXTS);
      // Lone surrogates cannot be encoded, and a request line ends at its first space.
      return chance.once(2) ? encodeURI(text.toWellFormed()) : text.replace(/[\s\0-\x1f\x7f-\uffff]/g, "_");
    })
    .replace("*", () => chance.pick(["", "x", "x/y"]));
}

function query(chance: Dice): string {
  const parts = Array.from({ length: chance.roll(5) }, () => {
    const name = chance.pick(QUERIES);
    const value =
      name === "filters" && chance.once(2) ? JSON.stringify(junk(chance)) : chance.pick(TEXTS).toWellFormed();
    return chance.once(12) ? `${name}=%zz` : `${name}=${encodeURIComponent(value)}`;
  });
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

function payload(route: Route, chance: Dice, image: string): Buffer {
  if (!route.body || chance.once(10)) {
    if (chance.once(3)) return Buffer.alloc(0);
    if (chance.once(2)) return Buffer.from(Array.from({ length: chance.roll(2000) }, () => chance.roll(256)));
    return Buffer.from(JSON.stringify(junk(chance)) ?? "");
  }
  const value = bodyFor(route.body, chance);
  if (typeof value === "object" && value !== null && chance.roll(4) > 0) {
    if (route.path === "/containers/create") Object.assign(value, { Image: image, Cmd: ["true"] });
    if (route.path.endsWith("/create") && chance.once(2))
      Object.assign(value, { Name: `fuzz${chance.roll(99)}` });
  }
  return Buffer.from(textOf(value, chance));
}

const ODD_HEADERS = [
  "X-Registry-Auth: !!!",
  "X-Registry-Auth: eyJ1c2VybmFtZSI6MX0=",
  "X-Registry-Config: W10=",
  "X-Registry-Config: %",
  "Range: bytes=9-1",
  "Expect: 200-nonsense",
  "Upgrade: tcp\r\nConnection: Upgrade",
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
  "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
  "Content-Encoding: gzip",
  "If-Match: *",
  "Accept: nothing/at-all;q=zzz",
  "Host: /var/run/docker.sock",
];

const ODD_TYPES = ["application/x-tar", "text/plain", "", "/;="];

/** A request that is whole HTTP, whatever is in it. */
function whole(route: Route, chance: Dice, names: readonly string[], image: string): FuzzedRequest {
  const body = payload(route, chance, image);
  const method = chance.once(25) ? chance.pick(["PATCH", "OPTIONS", "HEAD", "PUT", "TRACE"]) : route.method;
  const lines = [
    `${method} ${chance.pick(chance.once(15) ? ODD_VERSIONS : VERSIONS)}${fillPath(route, chance, names)}${query(chance)} HTTP/1.1`,
    "Host: docker",
    "Connection: close",
  ];
  if (chance.once(4)) lines.push(chance.pick(ODD_HEADERS));
  const type = chance.once(15) ? chance.pick(ODD_TYPES) : "application/json";
  if (body.length > 0 && type !== "") lines.push(`Content-Type: ${type}`);
  if (body.length > 0 && chance.once(4)) {
    lines.push("Transfer-Encoding: chunked");
    const chunk = Buffer.concat([
      Buffer.from(`${body.length.toString(16)}\r\n`),
      body,
      Buffer.from("\r\n0\r\n\r\n"),
    ]);
    return { bytes: Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), chunk]) };
  }
  if (body.length > 0 || method === "POST") lines.push(`Content-Length: ${body.length}`);
  return { bytes: Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]) };
}

/** Bytes that are not, or not wholly, a request. */
function broken(route: Route, chance: Dice, names: readonly string[], image: string): FuzzedRequest {
  const good = whole(route, chance, names, image).bytes;
  const head = (...more: string[]): Buffer =>
    Buffer.from(
      [`POST ${fillPath(route, chance, names)} HTTP/1.1`, "Host: docker", ...more, "", ""].join("\r\n"),
    );
  switch (chance.roll(9)) {
    case 0:
      return { bytes: good.subarray(0, chance.roll(good.length)), halfClose: true, partial: true };
    case 1:
      return { bytes: good.subarray(0, chance.roll(good.length)), leave: true, partial: true };
    case 2:
      return { bytes: head(`X-Huge: ${"h".repeat(1_200_000)}`, "Connection: close") };
    case 3:
      return {
        bytes: head(
          ...Array.from({ length: 3000 }, (_, i) => `X-${i}: ${"v".repeat(chance.roll(40))}`),
          "Connection: close",
        ),
      };
    case 4:
      return {
        bytes: head("Content-Length: 100000", "Content-Type: application/json"),
        halfClose: true,
        partial: true,
      };
    case 5:
      return {
        bytes: Buffer.concat([
          head("Transfer-Encoding: chunked", "Content-Type: application/json"),
          Buffer.from(
            chance.pick([
              "zz\r\nhello\r\n",
              "5\r\nhel",
              "-1\r\n",
              "fffffffffffffffff\r\n",
              "5\r\nhello0\r\n\r\n",
            ]),
          ),
        ]),
        halfClose: true,
        partial: true,
      };
    case 6:
      return {
        bytes: head(
          chance.pick(["Content-Length: -1", "Content-Length: x", "Content-Length: 3\r\nContent-Length: 4"]),
        ),
        halfClose: true,
        partial: true,
      };
    case 7:
      return {
        bytes: Buffer.from(
          chance.pick([
            "GET / HTTP/9.9\r\n\r\n",
            "GET\r\n\r\n",
            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /_ping HTTP/1.1\nHost docker\n\n",
            "GET /_ping HTTP/1.1\r\nBad Header: x\r\n\r\n",
            `GET /${"p".repeat(200_000)} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n`,
            "\r\n\r\n\r\n",
          ]),
          "latin1",
        ),
        halfClose: true,
        partial: true,
      };
    default: {
      const flipped = Buffer.from(good);
      for (let n = 1 + chance.roll(4); n > 0; n--) flipped[chance.roll(flipped.length)] = chance.roll(256);
      return { bytes: flipped, halfClose: true, partial: true };
    }
  }
}

/** The next request for a route. `names` are ids and names of things that may exist, `image` is one that containers can be made of. */
export function fuzzedRequest(
  route: Route,
  chance: Dice,
  names: readonly string[],
  image: string,
): FuzzedRequest {
  return chance.once(5) ? broken(route, chance, names, image) : whole(route, chance, names, image);
}
