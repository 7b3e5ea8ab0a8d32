// The settings of Klaviyo below a site (contract section 2).

import { z } from 'zod';
import { secretField } from '../core/secret-field.ts';
import { baseUrl } from './base-url.ts';

/** Klaviyo takes metric names of fewer than 128 characters. */
const metricName = z.string().trim().min(1).max(127);
const carriers = z.enum(['off', 'webhook', 'all']);
const DAY_MS = 86_400_000;

const identifiers = z.strictObject({
  externalId: carriers.default('webhook'),
  kx: carriers.default('off'),
});

export const klaviyoSettings = z.strictObject({
  privateKey: secretField,
  revision: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a revision of the Klaviyo API such as 2026-07-15')
    .default('2026-07-15'),
  baseUrl: baseUrl('https://a.klaviyo.com'),
  maxWaitMs: z.int().min(0).max(DAY_MS).default(30_000),
  staleAfterMs: z
    .int()
    .min(0)
    .max(365 * DAY_MS)
    .default(3_600_000),
  events: z
    .record(z.string().min(1), metricName)
    .default({ purchase: 'post_purchase_ready', begin_checkout: 'started_checkout_ready' }),
  orderedProduct: z.boolean().default(false),
  transactional: z.array(z.string().min(1)).default([]),
  identifiers: identifiers.prefault({}),
  // Of the properties of an event and of first_name, last_name and location, those that may leave; null = all of them.
  fields: z.array(z.string().min(1)).nullable().default(null),
});

export type KlaviyoSettings = z.infer<typeof klaviyoSettings>;
