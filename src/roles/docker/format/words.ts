// Small conventions of docker's tables.

/** The first twelve digits of an id, without "sha256:". */
export function shortId(id: string): string {
  return id.replace(/^[^:]*:/, "").slice(0, 12);
}

/** Cut to `length` characters, the last an ellipsis. */
export function ellipsis(text: string, length: number): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  return length <= 3 ? characters.slice(0, length).join("") : `${characters.slice(0, length - 1).join("")}…`;
}

/** "a=b,c=d", sorted. */
export function labelText(labels: Record<string, string> | null | undefined): string {
  return Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(",");
}

/** strconv.Quote */
export function quote(text: string): string {
  return JSON.stringify(text).replace(/\\u00([0-9a-f]{2})/g, (_whole, hex) =>
    hex === "07" ? "\\a" : hex === "0b" ? "\\v" : `\\x${hex}`,
  );
}

const two = (n: number) => String(n).padStart(2, "0");

function offset(date: Date): { minutes: number; text: string } {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return { minutes, text: `${minutes < 0 ? "-" : "+"}${two(Math.trunc(size / 60))}${two(size % 60)}` };
}

function zoneName(date: Date): string {
  if (offset(date).minutes === 0) return "UTC";
  return (
    new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
      .formatToParts(date)
      .find(({ type }) => type === "timeZoneName")?.value ?? ""
  );
}

const day = (date: Date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clock = (date: Date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** Go's time.Time.String(): "2026-11-24 01:48:26 +0000 UTC". */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${day(date)} ${clock(date)} ${offset(date).text} ${zoneName(date)}`;
}

/** RFC 3339 in our own zone. `fraction`: nine digits of nanoseconds, or none. */
export function rfc3339(seconds: number, fraction?: string): string {
  const date = new Date(seconds * 1000);
  const { minutes, text } = offset(date);
  const zone = minutes === 0 ? "Z" : `${text.slice(0, 3)}:${text.slice(3)}`;
  return `${day(date)}T${clock(date)}${fraction === undefined ? "" : `.${fraction}`}${zone}`;
}

/** time.ANSIC: "Thu May  7 21:09:36 2026" of an RFC 3339 time, unchanged when it is none. */
export function ansic(text: string): string {
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) return text;
  const date = new Date(milliseconds);
  const [weekday, month] = date.toDateString().split(" ");
  return `${weekday} ${month} ${String(date.getDate()).padStart(2)} ${clock(date)} ${date.getFullYear()}`;
}
