// The rules by which the stand-in for Meta refuses a request: at least as strict as what Meta documents, so that what
// passes here is not refused there.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters

import { createHash } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { textsIn } from './fake-ledger.ts';

/** Why a request is refused. `rule` is the number of the rule in this file, the rest is what Meta would say. */
export interface GraphRefusal {
  readonly rule: string;
  readonly message: string;
  readonly subcode?: number;
  readonly title?: string;
}

const DAY_S = 86_400;
const MAX_EVENTS = 1000;
const FUTURE_S = 60;

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const NOTHING = new Set(['', 'undefined', 'null', 'NaN', 'nan', '[object Object]', '[object object]'].map(digestOf));
// Meta's own library appends two or eight characters to what it wrote.
const APPENDIX = String.raw`(?:\.(?:[\w-]{2}|[\w-]{8}))?`;
const digest = z
  .string()
  .regex(new RegExp(`^[0-9a-f]{64}${APPENDIX}$`), 'must be a SHA-256 in lower-case hex')
  .refine((text) => !NOTHING.has(text.slice(0, 64)), 'is the digest of nothing');
const digests = z.union([digest, z.array(digest).min(1)]);
const text = z.string().min(1);
const httpUrl = z.string().regex(/^https?:\/\/[^\s/]+/, 'must be an http(s) address');

const PRIVATE = privateAddresses();
const clientIp = text.refine((ip) => {
  const family = isIP(ip);
  return family !== 0 && !PRIVATE[family === 4 ? 'ipv4' : 'ipv6'].check(ip, family === 4 ? 'ipv4' : 'ipv6');
}, 'must be a public IPv4 or IPv6 address');

const userData = z.strictObject({
  em: digests.optional(),
  ph: digests.optional(),
  fn: digests.optional(),
  ln: digests.optional(),
  db: digests.optional(),
  ge: digests.optional(),
  ct: digests.optional(),
  st: digests.optional(),
  zp: digests.optional(),
  country: digests.optional(),
  external_id: z.union([text, z.array(text).min(1)]).optional(),
  client_ip_address: clientIp.optional(),
  client_user_agent: text.optional(),
  fbc: z
    .string()
    .regex(new RegExp(String.raw`^fb\.\d+\.\d{13}\.[^.\s]+${APPENDIX}$`))
    .optional(),
  fbp: z
    .string()
    .regex(new RegExp(String.raw`^fb\.\d+\.\d{13}\.\d+${APPENDIX}$`))
    .optional(),
  subscription_id: text.optional(),
});

const deliveryCategory = z.enum(['in_store', 'curbside', 'home_delivery']);
const content = z.strictObject({
  id: text,
  quantity: z.int().min(1).optional(),
  item_price: z.number().optional(),
  delivery_category: deliveryCategory.optional(),
});
const CURRENCIES = new Set(Intl.supportedValuesOf('currency'));
const customData = z.looseObject({
  value: z.number().optional(),
  currency: z
    .string()
    .refine((code) => CURRENCIES.has(code), 'must be an ISO 4217 code')
    .optional(),
  content_type: z.enum(['product', 'product_group']).optional(),
  content_ids: z.array(text).min(1).optional(),
  contents: z.array(content).min(1).optional(),
  num_items: z.int().min(1).optional(),
  order_id: text.optional(),
  search_string: text.optional(),
  predicted_ltv: z.number().optional(),
  delivery_category: deliveryCategory.optional(),
});
const SEGMENTS = [
  ...['new_customer', 'existing_customer'].flatMap((who) =>
    ['business', 'business_line', 'product_area', 'medium'].map((what) => `${who}_to_${what}`),
  ),
  'customer_in_loyalty_program',
];

const graphEvent = z.strictObject({
  event_name: text,
  event_time: z.int(),
  event_id: text,
  action_source: z.enum([
    'email',
    'website',
    'app',
    'phone_call',
    'chat',
    'physical_store',
    'system_generated',
    'business_messaging',
    'other',
  ]),
  event_source_url: httpUrl.optional(),
  referrer_url: httpUrl.optional(),
  user_data: userData,
  custom_data: customData.optional(),
  opt_out: z.boolean().optional(),
  data_processing_options: z.array(z.literal('LDU')).max(1).optional(),
  data_processing_options_country: z.union([z.literal(0), z.literal(1)]).optional(),
  data_processing_options_state: z
    .int()
    .refine((state) => state === 0 || (state >= 1000 && state <= 1013))
    .optional(),
  customer_segmentation: z.enum(SEGMENTS).optional(),
  original_event_data: z.looseObject({}).optional(),
});

const graphBody = z.strictObject({
  data: z.array(graphEvent).min(1).max(MAX_EVENTS),
  access_token: text.optional(),
  appsecret_proof: text.optional(),
  test_event_code: text.optional(),
  partner_agent: text.optional(),
});

export type GraphEvent = z.infer<typeof graphEvent>;
export type GraphBody = z.infer<typeof graphBody>;

/** Reads a request body. The first event that is not valid refuses them all (G7). */
export function readGraphBody(body: unknown, nowMs: number): GraphBody | GraphRefusal {
  const parsed = graphBody.safeParse(body);
  if (!parsed.success) return shapeRefusal(parsed.error.issues[0]);
  for (const event of parsed.data.data) {
    const refusal = refuseEvent(event, Math.floor(nowMs / 1000));
    if (refusal !== null) return refusal;
  }
  return parsed.data;
}

function shapeRefusal(issue: z.core.$ZodIssue | undefined): GraphRefusal {
  const path = issue?.path.map(String).filter((key) => !/^\d+$/.test(key)) ?? [];
  const last = path.at(-1) ?? '';
  const message = `${path.join('.')}: ${issue?.message ?? 'not valid'}`;
  if (issue?.code === 'unrecognized_keys') return { rule: 'G23', message };
  if (path.includes('user_data')) {
    const rules: Readonly<Record<string, string>> = {
      client_ip_address: 'G14',
      fbc: 'G15',
      fbp: 'G15',
      user_data: 'G8',
    };
    return { rule: rules[last] ?? 'G13', message };
  }
  if (path.includes('custom_data')) return { rule: /^(value|currency)$/.test(last) ? 'G16' : 'G17', message };
  if (last.startsWith('data_processing')) return { rule: 'G18', message };
  return { rule: path.length <= 1 ? 'G6' : 'G8', message };
}

type Check = (event: GraphEvent, nowS: number) => GraphRefusal | null;

const CHECKS: readonly Check[] = [website, age, creationTimes, breadth, purchase, limitedDataUse, rawPersonalData];

function refuseEvent(event: GraphEvent, nowS: number): GraphRefusal | null {
  for (const check of CHECKS) {
    const refusal = check(event, nowS);
    if (refusal !== null) return refusal;
  }
  return null;
}

function website({ action_source, event_source_url, user_data }: GraphEvent): GraphRefusal | null {
  if (action_source !== 'website') return null;
  if (event_source_url === undefined) return { rule: 'G9', message: 'a website event needs event_source_url' };
  if (user_data.client_user_agent !== undefined) return null;
  return { rule: 'G9', message: 'a website event needs client_user_agent' };
}

function age({ event_time, action_source }: GraphEvent, nowS: number): GraphRefusal | null {
  const days = action_source === 'physical_store' ? 62 : 7;
  if (nowS - event_time > days * DAY_S) {
    return { rule: 'G10', message: 'Invalid parameter', subcode: 2804003, title: 'Event Timestamp Too Old' };
  }
  return event_time > nowS + FUTURE_S ? { rule: 'G11', message: 'event_time lies in the future' } : null;
}

function creationTimes({ user_data: { fbc, fbp } }: GraphEvent, nowS: number): GraphRefusal | null {
  const late = [fbc, fbp].some((id) => id !== undefined && Number(id.split('.')[2]) > (nowS + FUTURE_S) * 1000);
  return late ? { rule: 'G15', message: 'a browser id was created in the future' } : null;
}

const TOO_BROAD = [
  ['ct', 'country', 'st', 'zp', 'ge', 'client_user_agent'],
  ['db', 'client_user_agent'],
  ['fn', 'ge'],
  ['ln', 'ge'],
];

function breadth({ user_data }: GraphEvent): GraphRefusal | null {
  const keys = Object.keys(user_data);
  if (!TOO_BROAD.some((set) => keys.every((key) => set.includes(key)))) return null;
  return { rule: 'G12', message: 'Invalid parameter', subcode: 2804050, title: 'Too little customer information' };
}

function purchase({ event_name, custom_data }: GraphEvent): GraphRefusal | null {
  if (event_name !== 'Purchase') return null;
  if (custom_data?.value === undefined) {
    return { rule: 'G16', message: 'Invalid parameter', subcode: 2804009, title: 'Missing Value for Purchase Event' };
  }
  return custom_data.currency === undefined ? { rule: 'G16', message: 'a Purchase needs a currency' } : null;
}

function limitedDataUse(event: GraphEvent): GraphRefusal | null {
  const country = event.data_processing_options_country;
  const state = event.data_processing_options_state;
  const isOn = (event.data_processing_options?.length ?? 0) > 0;
  if (isOn && country === undefined) return { rule: 'G18', message: 'LDU needs data_processing_options_country' };
  if (isOn && !state && event.user_data.client_ip_address === undefined) {
    return { rule: 'G18', message: 'LDU without an address needs data_processing_options_state' };
  }
  if (country === undefined || state !== undefined) return null;
  return { rule: 'G18', message: 'a country needs data_processing_options_state' };
}

const RAW_EMAIL = /[\p{L}\p{N}._%+-]+(?:@|%40|%2540)[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}/iu;
const RAW_PHONE = /(?:\+|%2B)[1-9](?:[\s().-]?\d){6,14}(?!\d)/i;
// The id is the shop's own and sent as it is; crawlers write a contact address into their user agent.
const EXEMPT = new Set(['event_id', 'user_data.client_user_agent']);

function rawPersonalData(event: GraphEvent): GraphRefusal | null {
  for (const { path, text: found } of textsIn(event)) {
    if (EXEMPT.has(path) || !(RAW_EMAIL.test(found) || RAW_PHONE.test(found))) continue;
    return { rule: 'G24', message: `${path} holds personal data in clear` };
  }
  return null;
}

function privateAddresses(): { readonly ipv4: BlockList; readonly ipv6: BlockList } {
  const ipv4 = new BlockList();
  for (const net of ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12']) {
    ipv4.addSubnet(...split(net), 'ipv4');
  }
  for (const net of ['192.168.0.0/16', '224.0.0.0/3']) ipv4.addSubnet(...split(net), 'ipv4');
  const ipv6 = new BlockList();
  for (const net of ['::/96', '::ffff:0:0/96', 'fc00::/7', 'fe80::/10', 'ff00::/8'])
    ipv6.addSubnet(...split(net), 'ipv6');
  return { ipv4, ipv6 };
}

function split(net: string): [string, number] {
  const [address = '', bits] = net.split('/');
  return [address, Number(bits)];
}
