// What the store is given when no HTTP stands before it: candidates with random ids and payloads that can be opened.

import { randomInt } from 'node:crypto';
import { collectEvidence } from '../../src/consent/index.ts';
import type { RawConsent } from '../../src/core/consent.ts';
import type { Keys } from '../../src/core/identity.ts';
import { canonicalJson } from '../../src/core/json.ts';
import type { Candidate, Ids } from '../../src/core/ports.ts';
import { payloadBinding, seal } from '../../src/core/seal.ts';
import { writeTcString } from '../../src/demo/consent-strings.ts';
import { additionalConsent, consentingTcStrings, SITES } from './traffic.ts';

const SITE = SITES[0]?.id ?? '';
const SEALED = 200;
/** With it a sealed payload has about 1 KB. */
const FILLING = 560;
const PACKED_REF = 17;

export interface CandidateOptions {
  readonly keys: Keys;
  readonly ids: Ids;
  readonly nowMs: number;
  /** `drop`: the visitor refused. */
  readonly consent: 'permit' | 'drop';
}

/** Makes candidates; `lane` names the person by a number. */
export function createCandidates(options: CandidateOptions): (lane: number) => Candidate {
  const { ids, nowMs, consent } = options;
  const payloads = Array.from({ length: SEALED }, () => sealOne(options));
  const evidences = consent === 'permit' ? consentingEvidence(nowMs) : [refusingEvidence(nowMs)];
  return (lane) => {
    const eventId = ids.uuid();
    const payload = payloads[randomInt(SEALED)];
    if (payload === undefined) throw new Error('there is no payload');
    const ref = Buffer.alloc(16);
    ref.writeUInt32BE(lane, 12);
    return {
      site: SITE,
      source: 'browser',
      trust: 'browser',
      name: 'begin_checkout',
      eventId,
      loggedEventId: eventId,
      timeMs: nowMs,
      receivedMs: nowMs,
      objections: [],
      region: { country: 'DE', basis: 'proxy_header' },
      evidence: evidences[randomInt(evidences.length)] ?? '[]',
      subjectRefs: ids.bytes(2 * PACKED_REF),
      visitorRefs: [ref.toString('latin1')],
      lane: laneBytes(lane),
      laneVisitor: ref.toString('latin1'),
      eventKey: ids.bytes(8),
      orderKey: null,
      ...payload,
    };
  };
}

// Lanes are hashes: neighbours in number must not be neighbours in the index.
function laneBytes(lane: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(Math.imul(lane + 1, 0x9e3779b1) >>> 0, 0);
  bytes.writeUInt32BE(lane, 4);
  return bytes.toString('latin1');
}

function sealOne({ keys, ids, nowMs }: CandidateOptions): Pick<Candidate, 'sealId' | 'sealed'> {
  const sealId = ids.bytes(16);
  const event = {
    name: 'begin_checkout',
    source: 'browser',
    trust: 'browser',
    eventId: ids.uuid(),
    timeMs: nowMs,
    currency: 'EUR',
    value: 59.9,
    page: { url: 'https://shop.example/checkouts/c/1' },
    user: { email: `shopper-${randomInt(1_000_000)}@example.com` },
    items: [{ item_id: 'SKU-4711', item_name: 'Merino jumper, crew neck', price: 29.95, quantity: 2 }],
    client: { ip: '203.0.113.7', userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0' },
    properties: { note: Buffer.from(ids.bytes(FILLING / 2), 'latin1').toString('hex') },
  };
  return { sealId, sealed: seal(keys.seal, JSON.stringify(event), payloadBinding(SITE, sealId), ids.bytes(12)) };
}

function consentingEvidence(nowMs: number): readonly string[] {
  return consentingTcStrings(nowMs).map((tcf) => evidenceOf({ tcf, additional_consent: additionalConsent() }));
}

function refusingEvidence(nowMs: number): string {
  return evidenceOf({ tcf: writeTcString({ createdMs: nowMs - 86_400_000, purposes: [] }) });
}

const evidenceOf = (raw: RawConsent): string => canonicalJson(collectEvidence([raw], () => ''));
