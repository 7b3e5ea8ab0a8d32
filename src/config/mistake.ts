// A mistake in the configuration, as it is shown: where it stands, what is wrong, and what was probably meant.

import { distance } from 'fastest-levenshtein';
import { CannotRun } from '../core/errors.ts';

export interface Mistake {
  /** The file, or `environment` for an override. */
  readonly file: string;
  /** Null where no line of the file is to blame. */
  readonly line: number | null;
  /** `sites[0].meta.accessToken`; empty for the file as a whole. */
  readonly key: string;
  /** What is wrong. It never repeats a value that may be a secret. */
  readonly message: string;
  /** What was probably meant. */
  readonly nearest: string | null;
}

/** The configuration cannot be used. Exit code 2. */
export class ConfigError extends CannotRun {
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.map(writeMistake).join('\n'));
    this.mistakes = mistakes;
  }
}

/** A mistake on one line: `file:line key: message (did you mean …?)`. */
function writeMistake({ file, line, key, message, nearest }: Mistake): string {
  const place = line === null ? file : `${file}:${line}`;
  const guess = nearest === null ? '' : ` (did you mean ${nearest}?)`;
  return `${place}${key === '' ? '' : ` ${key}`}: ${message}${guess}`;
}

/** The candidate that differs least from a text, letter case and underscores aside; null where there are none. */
export function nearestOf(text: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const found = distance(plainKey(text), plainKey(candidate));
    if (found < least) [best, least] = [candidate, found];
  }
  return best;
}

/** A key without letter case and separators: `MAX_WAIT_MS` and `maxWaitMs` are the same. */
export function plainKey(key: string): string {
  return key.replaceAll(/[_-]/g, '').toLowerCase();
}
