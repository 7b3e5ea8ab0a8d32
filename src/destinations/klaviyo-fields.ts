// What of an event a site lets Klaviyo see, where it lists that at all. Who it concerns, and what Meta made of it, always
// leaves: a flow starts by it.

/** Null: all of them. */
export type KlaviyoFields = readonly string[] | null;

/** Whether a field may leave. A name with Klaviyo's prefix `AddedItem` is listed by the name behind it. */
export function allows(fields: KlaviyoFields, name: string): boolean {
  return fields === null || fields.includes(name) || fields.includes(name.replace(/^AddedItem/, ''));
}

/** The members of a record that may leave. */
export function allowedOf<V>(record: Readonly<Record<string, V>>, fields: KlaviyoFields): Readonly<Record<string, V>> {
  if (fields === null) return record;
  return Object.fromEntries(Object.entries(record).filter(([name]) => allows(fields, name)));
}
