// The settings of Meta below a site (contract section 2).

import { z } from 'zod';
import { secretField } from '../core/secret-field.ts';
import { baseUrl } from './base-url.ts';
import { META_FIELDS } from './meta-fields.ts';

const MAX_BATCH = 1000;
const MAX_LINGER_MS = 10_000;
/** Of the name of a custom event (Meta Pixel reference, "custom events"). */
const MAX_NAME = 50;

const batch = z.strictObject({
  max: z.int().min(1).max(MAX_BATCH).default(MAX_BATCH),
  lingerMs: z.int().min(0).max(MAX_LINGER_MS).default(0),
});

const datasetId = z.string().regex(/^\d{1,32}$/, 'must be the digits of a dataset (pixel) id, in quotes');

export const metaSettings = z.strictObject({
  datasetId,
  accessToken: secretField,
  apiVersion: z
    .string()
    .regex(/^v\d{1,3}\.0$/, 'must be a version of the Graph API such as v25.0')
    .default('v25.0'),
  baseUrl: baseUrl('https://graph.facebook.com'),
  // Events with a test code are not apart: they count for measurement like all others.
  testEventCode: z.string().min(1).max(64).nullable().default(null),
  batch: batch.prefault({}),
  // With it each request proves that it comes from the owner of the app (appsecret_proof).
  appSecret: secretField.nullable().default(null),
  // Further datasets that get every event: id → access token.
  furtherDatasets: z.record(datasetId, secretField).default({}),
  // On top of the standard events: a name of Meta's or of one's own, or null for an event that must not go there.
  events: z.record(z.string().min(1), z.string().trim().min(1).max(MAX_NAME).nullable()).default({}),
  fields: z.array(z.enum(META_FIELDS)).nullable().default(null),
  // `opt_out`: Meta may attribute by the events, and not optimise by them. It is no consent: the events are sent.
  attributionOnly: z.boolean().default(false),
  partnerAgent: z.string().min(1).max(64).nullable().default(null),
});

export type MetaSettings = z.infer<typeof metaSettings>;
