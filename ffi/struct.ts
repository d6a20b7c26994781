// Kernel structs as data: a layout is a table, checked against the system's headers by test/ffi/headers.test.ts.

type FieldType = "u8" | "u16" | "u32" | "i32" | "u64" | "i64";

export interface Layout<F extends string> {
  /** The C name, "struct statx", for the header test. */
  readonly c: string;
  /** The header that declares it. */
  readonly header: string;
  readonly size: number;
  /** Field name → [byte offset, type]. */
  readonly fields: Readonly<Record<F, readonly [number, FieldType]>>;
}

const registry: Layout<string>[] = [];

/** Every layout defined so far (the header test imports all of ffi/ and walks this). */
export const layouts: readonly Layout<string>[] = registry;

/** Declares a struct layout. All fields little-endian, as both supported machines are. */
export function layout<F extends string>(definition: Layout<F>): Layout<F> {
  registry.push(definition);
  return definition;
}

/** A new zeroed struct with the given fields set. 64-bit fields take number or bigint. */
export function pack<F extends string>(
  of: Layout<F>,
  values: Partial<Record<F, number | bigint>>,
): Uint8Array {
  const bytes = new Uint8Array(of.size);
  const view = new DataView(bytes.buffer);
  for (const [name, value] of Object.entries(values) as [F, number | bigint | undefined][]) {
    if (value === undefined) continue;
    const [offset, type] = of.fields[name];
    switch (type) {
      case "u8":
        view.setUint8(offset, Number(value));
        break;
      case "u16":
        view.setUint16(offset, Number(value), true);
        break;
      case "u32":
        view.setUint32(offset, Number(value), true);
        break;
      case "i32":
        view.setInt32(offset, Number(value), true);
        break;
      case "u64":
      case "i64":
        if (typeof value === "bigint") view.setBigUint64(offset, BigInt.asUintN(64, value), true);
        else {
          // Two halves: making a BigInt costs more than all the rest of this function.
          view.setUint32(offset, value % 2 ** 32, true);
          view.setInt32(offset + 4, Math.floor(value / 2 ** 32), true);
        }
        break;
    }
  }
  return bytes;
}

/** Reads one field. 64-bit fields come back as number (exact to 2^53, which no size or time here exceeds). */
export function field<F extends string>(of: Layout<F>, bytes: Uint8Array, name: F): number {
  return fieldIn(of, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), name);
}

/** As `field`, for structs of which much is read: the view is made once. */
export function fieldIn<F extends string>(of: Layout<F>, view: DataView, name: F): number {
  const [offset, type] = of.fields[name];
  switch (type) {
    case "u8":
      return view.getUint8(offset);
    case "u16":
      return view.getUint16(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "i32":
      return view.getInt32(offset, true);
    case "u64":
      return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
    case "i64":
      return view.getUint32(offset, true) + view.getInt32(offset + 4, true) * 2 ** 32;
  }
}
