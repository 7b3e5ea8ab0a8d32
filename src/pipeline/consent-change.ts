// A visitor's new consent state: decided, recorded, and what it forbids cancelled, in one transaction of the store.

import type { RawConsent } from '../core/consent.ts';
import { laneOf, type PersonId, packSubjectRefs, stateRef } from '../core/identity.ts';
import type { AcceptedVerdict, ConsentChanged, Intake } from '../core/ports.ts';
import { type EvidenceParts, type RequestContext, showEvidence, visitorCookies } from './evidence.ts';

export interface ConsentChangeParts extends EvidenceParts {
  readonly intake: Pick<Intake, 'changeConsent'>;
}

/** What the visitor reports. `session` names nobody before there are sessions. */
export interface ConsentReport {
  readonly visitor_id?: string | undefined;
  readonly session?: string | undefined;
  readonly consent: RawConsent;
}

export interface ConsentAnswer {
  readonly state: Readonly<Record<string, 'permit' | 'drop'>>;
  readonly cancelled: number;
}

/** Which of the visitor's cookies may stay no longer. */
export type CookiesToDelete = 'all' | 'meta' | 'none';

export interface ConsentChangeResult {
  readonly answer: ConsentAnswer;
  readonly cookies: CookiesToDelete;
}

export type ChangeConsent = (context: RequestContext, report: ConsentReport) => Promise<ConsentChangeResult>;

/** Binds the columns. The result throws Problem `unavailable` when nothing was recorded. */
export function createConsentChange(parts: ConsentChangeParts): ChangeConsent {
  return async (context, report) => {
    const { keys } = parts;
    const site = context.site.id;
    const visitors = visitorsNamed(context, report).map((id): PersonId => ({ kind: 'visitor', id }));
    const changed = await parts.intake.changeConsent({
      site,
      receivedMs: context.receivedMs,
      ...showEvidence(parts, context, { consent: report.consent, indications: [] }),
      subjectRefs: packSubjectRefs(parts.epochKey(), site, visitors),
      visitors: visitors.map((person) => ({
        ref: stateRef(keys, site, person),
        lane: laneOf(keys, site, [person], person.id),
      })),
    });
    return { answer: toAnswer(changed), cookies: toDelete(changed.verdicts) };
  };
}

function visitorsNamed(context: RequestContext, report: ConsentReport): readonly string[] {
  const own = report.visitor_id?.trim() ? [report.visitor_id] : [];
  return [...new Set([...own, ...visitorCookies(context, ['_slc', '_dcid'])])];
}

function toAnswer({ verdicts, cancelled }: ConsentChanged): ConsentAnswer {
  return { state: Object.fromEntries(verdicts.map(({ destination, verdict }) => [destination, verdict])), cancelled };
}

function toDelete(verdicts: readonly AcceptedVerdict[]): CookiesToDelete {
  const permitted = verdicts.filter((verdict) => verdict.consentPermits).map((verdict) => verdict.destination);
  if (permitted.length === 0) return 'all';
  return permitted.includes('meta') ? 'none' : 'meta';
}
