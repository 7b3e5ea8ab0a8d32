// Stand-ins for the destinations: the reading of a configuration needs their schemas and nothing else of them.

import { z } from 'zod';
import type { Destination } from '../../src/core/ports.ts';
import { secretField } from '../../src/core/secret-field.ts';

const https = z.string().refine((url) => url.startsWith('https://'), 'must be https');

const meta = z.strictObject({
  datasetId: z.string().regex(/^\d{5,20}$/, { error: 'must be digits' }),
  accessToken: secretField,
  apiVersion: z.string().default('v25.0'),
  baseUrl: https.default('https://graph.facebook.com'),
  testEventCode: z.string().nullable().default(null),
  batch: z
    .strictObject({ max: z.int().min(1).max(1000).default(1000), lingerMs: z.int().min(0).max(10_000).default(0) })
    .prefault({}),
});

const sources = z.enum(['off', 'webhook', 'all']);
const klaviyo = z.strictObject({
  privateKey: secretField,
  revision: z.string().default('2026-07-15'),
  baseUrl: https.default('https://a.klaviyo.com'),
  maxWaitMs: z.int().min(0).max(3_600_000).default(30_000),
  staleAfterMs: z.int().min(0).default(3_600_000),
  events: z
    .record(z.string(), z.string())
    .default({ purchase: 'post_purchase_ready', begin_checkout: 'started_checkout_ready' }),
  orderedProduct: z.boolean().default(false),
  transactional: z.array(z.string()).default([]),
  identifiers: z.strictObject({ externalId: sources.default('webhook'), kx: sources.default('off') }).prefault({}),
});

function standIn<S>(id: string, settings: z.ZodType<S>): Destination<S> {
  const open = () => ({ batchMax: 1, send: async () => [], close: async () => {} });
  return { id, settings, maxAgeMs: null, maps: () => true, waitMs: () => 0, open };
}

export const destinations: readonly Destination[] = [standIn('meta', meta), standIn('klaviyo', klaviyo)];
