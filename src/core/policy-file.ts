// A policy is data: what each destination needs of each signal, in which region (contract section 4). A file is complete,
// nothing is inherited; its identity is its id and the hash of its content.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, type Json } from './json.ts';
import { parseCountry } from './region.ts';

const country = z
  .string()
  .refine((code) => parseCountry(code) === code, 'must be an ISO 3166-1 alpha-2 code in upper case');
const purpose = z.int().min(1).max(11);
const vendorEvidence = z.string().regex(/^(additional_consent:[1-9]\d{0,8}|publisher_tc)$/, {
  error: 'must be additional_consent:ID or publisher_tc',
});

const destinationPolicy = z.strictObject({
  tcf: z.strictObject({ purposes: z.array(purpose).min(1), vendorEvidence: z.array(vendorEvidence) }).optional(),
  onetrust: z
    .strictObject({
      groups: z.array(z.string().min(1)).min(1),
      // OneTrust's "general vendors", by the ids that the shop gave them; the same for every file that leaves them out.
      genVendors: z.array(z.string().min(1)).min(1).optional(),
    })
    .optional(),
  google: z
    .strictObject({
      signals: z.array(z.enum(['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'])).min(1),
      sufficient: z.boolean(),
    })
    .optional(),
  shopify: z
    .strictObject({ signals: z.array(z.enum(['marketing', 'analytics', 'preferences', 'sale_of_data'])).min(1) })
    .optional(),
  optOut: z.enum(['drop', 'limited_data_use']),
  events: z.union([z.literal('*'), z.array(z.string().min(1))]),
});

/** The schema of a policy file. */
export const policyFile = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
    regions: z.strictObject({
      regulated: z.array(country),
      opt_out: z.array(country),
      apply_everywhere: z.boolean(),
    }),
    consent: z.strictObject({ maxAgeMonths: z.int().min(1).max(13), requireAlertBoxCookie: z.boolean() }),
    destinations: z.record(z.string(), destinationPolicy),
  })
  .refine(
    (policy) => Object.entries(policy.destinations).every(([id, wanted]) => id === 'meta' || wanted.optOut === 'drop'),
    {
      error: 'limited_data_use exists for meta only',
      path: ['destinations'],
    },
  );

export type PolicyContent = z.infer<typeof policyFile>;
export type DestinationPolicy = z.infer<typeof destinationPolicy>;

/** A policy with its identity. */
export interface Policy extends PolicyContent {
  /** `id@` and the first 16 hex digits of the SHA-256 of its canonical content: what the log cites. */
  readonly ref: string;
}

/** Gives a policy its identity. The content was read by `policyFile` before. */
export function identifyPolicy(content: PolicyContent): Policy {
  const hash = createHash('sha256').update(canonicalPolicy(content)).digest('hex');
  return { ...content, ref: `${content.id}@${hash.slice(0, 16)}` };
}

/** The text that is hashed and kept with the log, so that an old version stays runnable. */
export function canonicalPolicy(content: PolicyContent): string {
  const { id, regions, consent, destinations } = content;
  return canonicalJson({ id, regions, consent, destinations } as Json);
}
