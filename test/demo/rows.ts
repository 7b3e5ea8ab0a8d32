// Rows of a demonstration that nobody has played, for the pure parts.

import type { Row, Step } from '../../src/demo/row.ts';
import { visitorsAt } from '../../src/demo/visitors.ts';

export const NOW_MS = Date.UTC(2026, 10, 24, 8, 0, 0);

export function toMeta(askedMs: number, status: number | null = 200): Step {
  const answeredMs = status === null ? null : askedMs + 100;
  return { kind: 'request', to: 'meta', askedMs, answeredMs, status, capiStatus: null };
}

export function toKlaviyo(askedMs: number, capiStatus: string, status = 202): Step {
  return { kind: 'request', to: 'klaviyo', askedMs, answeredMs: askedMs + 20, status, capiStatus };
}

export const withdrawn = (askedMs: number, cancelled = 2): Step => ({ kind: 'withdrawal', askedMs, cancelled });

/** A visitor of the scenario and the row that keeps every promise but for what the steps say. */
export function played(name: string, steps: readonly Step[]) {
  const visitor = visitorsAt(NOW_MS).find((one) => one.name === name);
  if (visitor === undefined) throw new Error(`nobody is called ${name}`);
  const { meta, klaviyo } = visitor.promised;
  const row: Row = {
    visitor: name,
    story: visitor.story,
    country: visitor.country,
    region: visitor.country === 'US' ? 'opt_out' : 'regulated',
    signal: visitor.signal,
    decisions: [
      { destination: 'meta', ...meta },
      { destination: 'klaviyo', ...klaviyo },
    ],
    steps,
  };
  return { visitor, row };
}
