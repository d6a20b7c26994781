// Filters over records: a record says what a field path is worth; one filter of several is enough.
import { invalid } from "../errors.ts";
import { type Filter, parseFilter, type Selector } from "./parse.ts";

/** The value at a field path; undefined when the record has no such field. */
export type FieldOf<T> = (record: T, fieldpath: readonly string[]) => string | undefined;

function test(selector: Selector): (value: string | undefined) => boolean {
  switch (selector.operator) {
    case "present":
      return (value) => value !== undefined;
    case "==":
      return (value) => value === selector.value;
    case "!=":
      return (value) => value !== selector.value;
    case "~=": {
      let pattern: RegExp;
      try {
        // Go's RE2 syntax is nearly ECMAScript's without look-around and back references.
        pattern = new RegExp(selector.value, "u");
      } catch (error) {
        throw invalid(
          `filters: invalid regular expression ${JSON.stringify(selector.value)}: ${(error as Error).message}`,
        );
      }
      return (value) => value !== undefined && pattern.test(value);
    }
  }
}

function one<T>(filter: Filter, fieldOf: FieldOf<T>): (record: T) => boolean {
  const tests = filter.map((selector) => ({ path: selector.fieldpath, holds: test(selector) }));
  return (record) => tests.every(({ path, holds }) => holds(fieldOf(record, path)));
}

/** A predicate over records: true where any of the filters holds, or where there are none. Throws InvalidArgument. */
export function matcher<T>(
  filters: readonly string[] | undefined,
  fieldOf: FieldOf<T>,
): (record: T) => boolean {
  if (!filters || filters.length === 0) return () => true;
  const any = filters.map((text) => one(parseFilter(text), fieldOf));
  return (record) => any.some((holds) => holds(record));
}

/** The label that `labels.<key>` names; keys with dots may be given quoted or not. */
export function labelField(
  labels: Readonly<Record<string, string>>,
  rest: readonly string[],
): string | undefined {
  return Object.hasOwn(labels, rest.join(".")) ? labels[rest.join(".")] : undefined;
}
