// Ids: 64 hexadecimal digits.
import { randomBytes } from "node:crypto";

/** As docker's: never all digits in its first twelve, so that a short id cannot be taken for a number. */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (!/^\d{12}/.test(id)) return id;
  }
}
