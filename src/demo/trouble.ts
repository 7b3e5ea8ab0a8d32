// What goes wrong at Meta while a purchase is on its way: for this purchase alone, so that the others are not disturbed.

import type { Fault, Reply } from './fake-faults.ts';
import type { FakeMeta } from './fake-meta.ts';
import type { Trouble } from './visitors.ts';

/** How long Meta asks for patience in the case of the withdrawal, seconds: longer than it takes to withdraw. */
export const RETRY_AFTER_S = 2;

/** Makes Meta fail for the requests that hold this event. @returns what ends it; ending it twice does no harm */
export function beginTrouble(meta: FakeMeta, trouble: Trouble, eventId: string): () => void {
  if (trouble === 'none') return () => {};
  const fault: Fault = {
    do: 'answer',
    reply: unavailable(trouble === 'withdraws' ? { 'retry-after': String(RETRY_AFTER_S) } : {}),
    times: trouble === 'meta_stumbles' ? 1 : Number.POSITIVE_INFINITY,
    match: ({ text }) => text.includes(`"${eventId}"`),
  };
  meta.faults.push(fault);
  return () => {
    const index = meta.faults.indexOf(fault);
    if (index >= 0) meta.faults.splice(index, 1);
  };
}

// Graph API error 2: "Temporary issue due to downtime. Wait and retry the operation."
function unavailable(headers: Readonly<Record<string, string>>): Reply {
  const error = { message: 'Service temporarily unavailable', type: 'OAuthException', code: 2, is_transient: true };
  return {
    status: 503,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    text: JSON.stringify({ error }),
  };
}
