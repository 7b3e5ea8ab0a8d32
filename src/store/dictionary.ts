// The log's dictionary for readers: numbers back to texts, also those that a running server adds while we read.

import type { ReadStore } from './read.ts';

export interface ReadDictionary {
  /** Learns what was added since the last call. */
  refresh(): Promise<void>;
  /** The text of a number of this kind; undefined where there is none. */
  text(kind: string, id: number): string | undefined;
  /** The number of a text; undefined where it was never logged. */
  number(kind: string, text: string): number | undefined;
}

/** Loads the dictionary of a database. */
export async function loadDictionary(store: ReadStore): Promise<ReadDictionary> {
  const kinds: string[] = [];
  const texts: string[] = [];
  const numbers = new Map<string, number>();
  let newest = Number.MIN_SAFE_INTEGER;
  const dictionary: ReadDictionary = {
    async refresh() {
      const query = store.db.selectFrom('dictionary').select(['id', 'kind', 'text']);
      for (const { id, kind, text } of await query.where('id', '>', newest).orderBy('id').execute()) {
        kinds[id] = kind;
        texts[id] = text;
        numbers.set(`${kind} ${text}`, id);
        newest = id;
      }
    },
    text: (kind, id) => (kinds[id] === kind ? texts[id] : undefined),
    number: (kind, text) => numbers.get(`${kind} ${text}`),
  };
  await dictionary.refresh();
  return dictionary;
}
