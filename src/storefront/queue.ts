// Holds what the page reported until the consent of the moment is read, and lets it go as requests.

import type { WireConsent } from '../core/event.ts';
import { type PageEvent, packBodies, withConsent } from './payload.ts';
import type { Parcel } from './transport.ts';

/** Why the page reports its visitor's consent: it changed, or it was taken back. */
export type Report = 'consent' | 'withdraw';

/** What the queue works with. */
export interface QueueParts {
  readonly collectUrl: string;
  readonly consentUrl: string;
  /** Reads the consent of this moment, waiting for a CMP where there is one. */
  readonly read: (done: (consent: WireConsent) => void) => void;
  readonly post: (parcel: Parcel) => void;
}

export interface Queue {
  add(event: PageEvent): void;
  report(report: Report): void;
  /** Lets everything go at once with this consent: the page is being left. */
  flush(consent: WireConsent): void;
}

/** Opens the queue of one page. */
export function createQueue({ collectUrl, consentUrl, read, post }: QueueParts): Queue {
  let events: PageEvent[] = [];
  let report: Report | null = null;
  let reportCount = 0;
  let isReading = false;

  const sendReport = (consent: WireConsent) => {
    const body = report === null ? null : reportBody(report, consent);
    report = null;
    if (body === null) return;
    // A grant that is repeated after a later withdrawal would undo it.
    const mine = ++reportCount;
    post({ url: consentUrl, body, isWanted: () => mine === reportCount });
  };
  const flush = (consent: WireConsent) => {
    const due = events;
    events = [];
    isReading = false;
    sendReport(consent);
    for (const body of packBodies(due.map((event) => withConsent(event, consent)))) {
      post({ url: collectUrl, body, isWanted: () => true });
    }
  };
  const flushSoon = () => {
    if (isReading) return;
    isReading = true;
    // Calls of one turn leave together and in their order.
    Promise.resolve().then(() => read(flush));
  };
  return {
    add(event) {
      events.push(event);
      flushSoon();
    },
    report(next) {
      report = next;
      flushSoon();
    },
    flush,
  };
}

// A withdrawal is a refusal whatever the CMP still says: Google's word for "all denied" states it. Nothing read is
// nothing to report, because the server would have to take silence for a refusal.
function reportBody(report: Report, consent: WireConsent): string | null {
  const state: WireConsent = report === 'withdraw' ? { ...consent, gcs: 'G100' } : consent;
  return Object.keys(state).length > 0 ? JSON.stringify({ consent: state }) : null;
}
