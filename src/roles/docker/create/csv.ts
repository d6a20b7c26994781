// Comma-separated fields as Go's encoding/csv reads one record: a field may stand in double quotes, with "" for one of them.

/** The fields of one record. Throws with Go's words. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      let field = "";
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        if (quote < 0)
          throw new Error(
            `parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`,
          );
        field += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        field += '"';
        at++;
      }
      if (at < text.length && text[at] !== ",") {
        throw new Error(`parse error on line 1, column ${at + 1}: extraneous or missing " in quoted-field`);
      }
      fields.push(field);
    } else {
      const comma = text.indexOf(",", at);
      const field = text.slice(at, comma < 0 ? undefined : comma);
      const quote = field.indexOf('"');
      if (quote >= 0)
        throw new Error(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      fields.push(field);
      at += field.length;
    }
    if (at >= text.length) return fields;
    at++;
  }
}
