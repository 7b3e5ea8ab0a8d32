// What a browser reports to `POST /consent`: a visitor's new consent state, a withdrawal included.

import { z } from 'zod';
import { Problem } from '../core/errors.ts';
import { foreignId, wireConsent } from '../core/event.ts';
import { readWire } from './wire.ts';

const consentReport = z.strictObject({
  visitor_id: foreignId.optional(),
  session: foreignId.optional(),
  consent: wireConsent,
});

export type ConsentReport = z.infer<typeof consentReport>;

/**
 * Reads a report.
 * @throws Problem `event_invalid`
 */
export function readConsentReport(body: unknown): ConsentReport {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Problem('event_invalid', 'the body must be an object with the key consent');
  }
  return readWire(consentReport, body);
}
