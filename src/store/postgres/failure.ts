// What an error of the database means for the work that met it.

/**
 * `outage`: nobody can write now, or we cannot know whether we could. `again`: another try may succeed at once.
 * `ours`: it would fail for ever, because of what was to be written.
 */
export type FailureKind = 'outage' | 'again' | 'ours';

// Serialization, deadlock, lock and statement time-outs, a chain that moved (1 / 0), what follows from an aborted transaction.
const AGAIN: ReadonlySet<string> = new Set(['40001', '40P01', '55P03', '57014', '22012', '25P02', '26000']);

/** Classes 22, 23, 42, 54: data, constraints, names and rights, limits (PostgreSQL, appendix A). */
const OURS = /^(22|23|42|54)/;

/** Reads the SQLSTATE of an error; an error without one came from the network. */
export function failureKind(error: unknown): FailureKind {
  const code = sqlState(error);
  if (code === null) return 'outage';
  if (AGAIN.has(code)) return 'again';
  return OURS.test(code) ? 'ours' : 'outage';
}

/** The five characters of an error of the server; null for any other. */
export function sqlState(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

/** The database did not answer a question; the next time it may. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

/** A word for logs and readiness that holds no value of anybody. */
export function nameFailure(given: unknown): string {
  const error = given instanceof Unanswered ? given.cause : given;
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : 'the connection was lost';
}
