// Numbers for texts that repeat, shared by all nodes: whoever needs a new one asks the database, outside of its transaction.

import { arrayOf } from './arrays.ts';
import type { Link } from './link.ts';

export interface Term {
  readonly kind: string;
  readonly text: string;
}

export interface Dictionary {
  /** @throws Error for a term that was not learnt */
  number(kind: string, text: string): number;
  /** @throws Error for a number that was not read */
  text(id: number): string;
  knows(term: Term): boolean;
  /** Gives numbers to terms that have none. */
  learn(terms: readonly Term[]): Promise<void>;
  /** Reads what other nodes added, where one of these numbers is not known. */
  cover(ids: readonly (number | null)[]): Promise<void>;
}

const ADD = {
  name: 'dictionary add',
  text: `INSERT INTO dictionary (kind, text) SELECT kind, text FROM unnest($1::text[], $2::text[]) AS t (kind, text)
    ORDER BY kind, text ON CONFLICT DO NOTHING`,
};
const FIND = {
  name: 'dictionary find',
  text: `SELECT id, kind, text FROM dictionary WHERE (kind, text) IN (SELECT * FROM unnest($1::text[], $2::text[]))`,
};
const SINCE = { name: 'dictionary since', text: 'SELECT id, kind, text FROM dictionary WHERE id > $1 ORDER BY id' };
/** Numbers are given before they are visible: one may appear behind a higher one. */
const OVERLAP = 1000;

/** Reads the dictionary of a database. */
export async function openDictionary(link: Pick<Link, 'query'>): Promise<Dictionary> {
  const numbers = new Map<string, number>();
  const texts = new Map<number, string>();
  let highest = 0;
  const read = (rows: Awaited<ReturnType<Link['query']>>) => {
    for (const row of rows) {
      const id = Number(row['id']);
      numbers.set(`${row['kind']} ${row['text']}`, id);
      texts.set(id, String(row['text']));
      highest = Math.max(highest, id);
    }
  };
  read(await link.query(SINCE, [0]));
  const dictionary: Dictionary = {
    number(kind, text) {
      const id = numbers.get(`${kind} ${text}`);
      if (id === undefined) throw new Error(`the dictionary has no number for this ${kind}`);
      return id;
    },
    text(id) {
      const text = texts.get(id);
      if (text === undefined) throw new Error(`the dictionary has no number ${id}`);
      return text;
    },
    knows: ({ kind, text }) => numbers.has(`${kind} ${text}`),
    async learn(terms) {
      const fresh = terms.filter((term) => !dictionary.knows(term));
      if (fresh.length === 0) return;
      const columns = [
        arrayOf(
          'text',
          fresh.map(({ kind }) => kind),
        ),
        arrayOf(
          'text',
          fresh.map(({ text }) => text),
        ),
      ];
      await link.query(ADD, columns);
      read(await link.query(FIND, columns));
    },
    async cover(ids) {
      if (ids.every((id) => id === null || texts.has(id))) return;
      read(await link.query(SINCE, [Math.max(0, highest - OVERLAP)]));
    },
  };
  return dictionary;
}
