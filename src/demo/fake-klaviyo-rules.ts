// The rules by which the stand-in for Klaviyo refuses an event: at least as strict as the published API description.
// https://developers.klaviyo.com/en/reference/create_event, revision 2026-07-15

import { isIP } from 'node:net';
import { z } from 'zod';
import { textsIn } from './fake-ledger.ts';

/** What is wrong, and where, as a JSON pointer. */
export interface KlaviyoProblem {
  readonly rule: string;
  readonly pointer: string;
  readonly detail: string;
}

const MAX_PROPERTIES = 400;
const MAX_STRING_BYTES = 100 * 1024;
const MAX_ARRAY = 4000;
const MAX_DEPTH = 10;
const EARLIEST_MS = Date.UTC(1990, 0, 1);
const YEAR_MS = 366 * 86_400_000;

const DIGEST = /^[0-9a-f]{64}$/i;
const EMAIL = /^[^\s@"(),:;<>[\]\\]{1,64}@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.[\p{L}\p{N}-]{2,}$/u;
const CURRENCIES = new Set(Intl.supportedValuesOf('currency'));
const plain = z
  .string()
  .min(1)
  .refine((text) => !DIGEST.test(text), 'a digest where plain text is expected');
const id = plain.max(255);

const location = z.strictObject({
  address1: plain.optional(),
  address2: plain.optional(),
  city: plain.optional(),
  region: plain.optional(),
  zip: plain.optional(),
  country: plain.optional(),
});

const profile = z.strictObject({
  email: plain.regex(EMAIL, 'Invalid email address').optional(),
  phone_number: plain.regex(/^\+[1-9]\d{6,14}$/, 'Phone number is not a valid E.164 number').optional(),
  external_id: id.optional(),
  anonymous_id: id.optional(),
  _kx: id.optional(),
  first_name: plain.optional(),
  last_name: plain.optional(),
  location: location.optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});

const resource = <T extends string, A extends z.ZodType>(type: T, attributes: A) =>
  z.strictObject({ data: z.strictObject({ type: z.literal(type), attributes }) });

const klaviyoDocument = resource(
  'event',
  z.strictObject({
    unique_id: z.string().min(1),
    time: z.iso.datetime({ offset: true }),
    value: z.number().optional(),
    value_currency: z
      .string()
      .refine((code) => CURRENCIES.has(code), 'must be an ISO 4217 code')
      .optional(),
    backfill: z.boolean().optional(),
    metric: resource('metric', z.strictObject({ name: z.string().min(1).max(127), service: z.string().optional() })),
    profile: resource('profile', profile),
    properties: z.record(z.string(), z.unknown()),
  }),
);

export type KlaviyoAttributes = z.infer<typeof klaviyoDocument>['data']['attributes'];

/** Reads a request body: the event, or everything that is wrong with it. `_kx` is valid only when it is in `knownKx`. */
export function readKlaviyoEvent(
  body: unknown,
  { nowMs, knownKx }: { readonly nowMs: number; readonly knownKx: readonly string[] },
): { readonly event: KlaviyoAttributes } | { readonly problems: readonly KlaviyoProblem[] } {
  const parsed = klaviyoDocument.safeParse(body);
  if (!parsed.success) return { problems: parsed.error.issues.map(shapeProblem) };
  const event = parsed.data.data.attributes;
  const problems = [
    ...identifierProblems(event.profile.data.attributes, knownKx),
    ...timeProblems(event.time, nowMs),
    ...sizeProblems(event.properties),
    ...contentProblems(event.properties),
  ];
  return problems.length === 0 ? { event } : { problems };
}

function shapeProblem(issue: z.core.$ZodIssue): KlaviyoProblem {
  const path = issue.path.map(String);
  const last = path.at(-1) ?? '';
  const rule = /^(email|phone_number|external_id|anonymous_id|_kx)$/.test(last)
    ? 'K7'
    : /^(value|value_currency)$/.test(last)
      ? 'K9'
      : last === 'time'
        ? 'K8'
        : 'K5';
  return { rule, pointer: `/${path.join('/')}`, detail: issue.message };
}

const PROFILE = '/data/attributes/profile/data/attributes';
const PROPERTIES = '/data/attributes/properties';

function identifierProblems(found: z.infer<typeof profile>, knownKx: readonly string[]): readonly KlaviyoProblem[] {
  const { email, phone_number, external_id, anonymous_id, _kx } = found;
  const identifiers = [email, phone_number, external_id, anonymous_id, _kx];
  if (identifiers.every((identifier) => identifier === undefined)) {
    return [{ rule: 'K6', pointer: PROFILE, detail: 'at least one profile identifier is required' }];
  }
  const isUnknown = _kx !== undefined && !knownKx.includes(_kx);
  return isUnknown ? [{ rule: 'K7', pointer: `${PROFILE}/_kx`, detail: 'Invalid exchange id' }] : [];
}

function timeProblems(time: string, nowMs: number): readonly KlaviyoProblem[] {
  const ms = Date.parse(time);
  if (ms > EARLIEST_MS && ms <= nowMs + YEAR_MS) return [];
  return [{ rule: 'K8', pointer: '/data/attributes/time', detail: 'must be after 1990 and at most a year ahead' }];
}

function sizeProblems(properties: Readonly<Record<string, unknown>>): readonly KlaviyoProblem[] {
  const problems: KlaviyoProblem[] = [];
  const add = (detail: string) => problems.push({ rule: 'K10', pointer: PROPERTIES, detail });
  if (Object.keys(properties).length > MAX_PROPERTIES) add(`more than ${MAX_PROPERTIES} properties`);
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string' && Buffer.byteLength(value) > MAX_STRING_BYTES) add('a string of more than 100 KB');
    if (value === null) problems.push({ rule: 'K6', pointer: PROPERTIES, detail: 'null is not allowed' });
    if (typeof value !== 'object' || value === null) return;
    if (depth > MAX_DEPTH) return void add(`nested deeper than ${MAX_DEPTH}`);
    if (Array.isArray(value) && value.length > MAX_ARRAY) add(`an array of more than ${MAX_ARRAY}`);
    for (const member of Object.values(value)) visit(member, depth + 1);
  };
  visit(properties, 1);
  return problems;
}

const BROWSER_KEY = /^_?(?:fbp|fbc|fbclid|ip|ip_address|client_ip|client_ip_address|user_agent|client_user_agent)$/i;

// K18: what was collected for Meta has no business here.
function contentProblems(properties: Readonly<Record<string, unknown>>): readonly KlaviyoProblem[] {
  return [...textsIn(properties)].flatMap(({ path, text }) => {
    const key = path.split('.').at(-1) ?? '';
    const isBrowser = BROWSER_KEY.test(key) || /\bfb\.\d\.\d{10,13}\.\S/.test(text) || /^Mozilla\/\d/.test(text);
    // An id may look like a digest; anything else that does is one.
    const isDigest = DIGEST.test(text) && !/(?:^|_)id$/i.test(key);
    if (!isBrowser && !isDigest && isIP(text) === 0) return [];
    const what = isDigest ? 'a digest' : 'a browser identifier';
    return [
      { rule: 'K18', pointer: `${PROPERTIES}/${path.replaceAll('.', '/')}`, detail: `${what} in the properties` },
    ];
  });
}
