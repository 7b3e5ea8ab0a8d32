// Writes the consent that a visitor's browser would bring: TC strings by a bit writer of its own, Additional Consent strings
// and OneTrust's cookies. It shares no line with what reads them, so that the one can test the other.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Ids as a bit field or as ranges; `end` of a range is inclusive. */
export interface VendorList {
  readonly max: number;
  readonly ids?: readonly number[];
  readonly ranges?: readonly (readonly [start: number, end: number])[];
}

export interface Restriction {
  readonly purpose: number;
  /** 0 not allowed, 1 consent required, 2 legitimate interest required. */
  readonly type: number;
  readonly ranges: readonly (readonly [start: number, end: number])[];
}

/** What a TC string is to say. What is left out takes the value that a current consent manager writes. */
export interface TcContent {
  /** Epoch milliseconds, written as they are, to a tenth of a second. */
  readonly createdMs: number;
  readonly lastUpdatedMs?: number;
  readonly purposes: readonly number[];
  readonly legitimateInterests?: readonly number[];
  readonly version?: number;
  readonly cmpId?: number;
  readonly policyVersion?: number;
  readonly serviceSpecific?: boolean;
  readonly purposeOneTreatment?: boolean;
  readonly language?: string;
  readonly publisherCountry?: string;
  readonly vendors?: VendorList;
  readonly vendorInterests?: VendorList;
  readonly restrictions?: readonly Restriction[];
  /** null = no such segment. */
  readonly disclosed?: VendorList | null;
  readonly allowed?: VendorList | null;
  readonly publisher?: { readonly consents: readonly number[]; readonly customPurposes?: number } | null;
}

type Field = readonly [value: number, bits: number];

const NOBODY: VendorList = { max: 0 };

/** Writes a TC string: core, then disclosedVendors, allowedVendors and publisherTC where they are asked for. */
export function writeTcString(content: TcContent): string {
  const { disclosed = NOBODY, allowed = null, publisher = null } = content;
  const segments = [coreFields(content)];
  if (disclosed !== null) segments.push([[1, 3], ...vendorFields(disclosed)]);
  if (allowed !== null) segments.push([[2, 3], ...vendorFields(allowed)]);
  if (publisher !== null) segments.push(publisherFields(publisher));
  return segments.map(packFields).join('.');
}

function coreFields(content: TcContent): readonly Field[] {
  const { createdMs, lastUpdatedMs = createdMs, language = 'DE', publisherCountry = 'DE' } = content;
  return [
    [content.version ?? 2, 6],
    [Math.floor(createdMs / 100), 36],
    [Math.floor(lastUpdatedMs / 100), 36],
    [content.cmpId ?? 28, 12],
    [1, 12],
    [1, 6],
    ...letterFields(language),
    [160, 12],
    [content.policyVersion ?? 5, 6],
    [content.serviceSpecific === false ? 0 : 1, 1],
    [0, 1],
    [0, 12],
    ...idFields(content.purposes, 24),
    ...idFields(content.legitimateInterests ?? [], 24),
    [content.purposeOneTreatment === true ? 1 : 0, 1],
    ...letterFields(publisherCountry),
    ...vendorFields(content.vendors ?? NOBODY),
    ...vendorFields(content.vendorInterests ?? NOBODY),
    ...restrictionFields(content.restrictions ?? []),
  ];
}

const letterFields = (text: string): readonly Field[] =>
  [0, 1].map((index): Field => [text.charCodeAt(index) - 'A'.charCodeAt(0), 6]);

/** One bit an id: the first stands for id 1. */
function idFields(ids: readonly number[], width: number): readonly Field[] {
  return Array.from({ length: width }, (_, index): Field => [ids.includes(index + 1) ? 1 : 0, 1]);
}

function vendorFields({ max, ids = [], ranges }: VendorList): readonly Field[] {
  return ranges === undefined
    ? [[max, 16], [0, 1], ...idFields(ids, max)]
    : [[max, 16], [1, 1], ...rangeFields(ranges)];
}

function rangeFields(ranges: readonly (readonly [number, number])[]): readonly Field[] {
  const entries = ranges.flatMap(([start, end]): readonly Field[] =>
    start === end
      ? [
          [0, 1],
          [start, 16],
        ]
      : [
          [1, 1],
          [start, 16],
          [end, 16],
        ],
  );
  return [[ranges.length, 12], ...entries];
}

function restrictionFields(restrictions: readonly Restriction[]): readonly Field[] {
  const entries = restrictions.flatMap(({ purpose, type, ranges }): readonly Field[] => [
    [purpose, 6],
    [type, 2],
    ...rangeFields(ranges),
  ]);
  return [[restrictions.length, 12], ...entries];
}

function publisherFields({ consents, customPurposes = 0 }: NonNullable<TcContent['publisher']>): readonly Field[] {
  return [[3, 3], ...idFields(consents, 24), [0, 24], [customPurposes, 6], ...idFields([], 2 * customPurposes)];
}

/** Packs fields, highest bit first, into characters of six bits, padded to a whole byte as encoders do. */
function packFields(fields: readonly Field[]): string {
  const bits: number[] = [];
  for (const [value, width] of fields) {
    for (let place = width - 1; place >= 0; place--) bits.push(Math.floor(value / 2 ** place) % 2);
  }
  while (bits.length % 8 !== 0) bits.push(0);
  while (bits.length % 6 !== 0) bits.push(0);
  let text = '';
  for (let at = 0; at < bits.length; at += 6) {
    text += ALPHABET.charAt(bits.slice(at, at + 6).reduce((sextet, bit) => sextet * 2 + bit, 0));
  }
  return text;
}

/** An Additional Consent string of version 2: providers consented to, and those shown without consent. */
export function writeAdditionalConsent(consented: readonly number[], disclosed: readonly number[] = []): string {
  return `2~${consented.join('.')}~dv.${disclosed.join('.')}`;
}

/** What an OptanonConsent cookie is to say; fields that are left out are not written. */
export interface OptanonContent {
  readonly groups: Readonly<Record<string, 0 | 1>>;
  /** The page's write, epoch milliseconds. */
  readonly writtenMs: number;
  /** `DE;BE`; written by the SDK once the banner is closed. */
  readonly geolocation?: string;
  /** 1 allow all, 2 reject all, 3 closed, 4 to 6 the preference centre. */
  readonly interaction?: number;
  readonly awaitingReconsent?: boolean;
  readonly crTimeMs?: number;
  readonly landingPath?: string;
}

/** Writes the value of an OptanonConsent cookie, form-encoded field by field as OneTrust's script does. */
export function writeOptanonConsent(content: OptanonContent): string {
  const groups = Object.entries(content.groups).map(([id, flag]) => `${id}:${flag}`);
  const fields: readonly (readonly [string, string | number | boolean | undefined])[] = [
    ['isGpcEnabled', 0],
    ['datestamp', browserDate(content.writtenMs)],
    ['version', '202606.1.0'],
    ['isIABGlobal', false],
    ['hosts', ''],
    ['consentId', '5c0de0f2-8a3b-4a53-9a59-6f2c1f4b7f10'],
    ['interactionCount', 1],
    ['landingPath', content.landingPath ?? 'NotLandingPage'],
    ['groups', groups.join(',')],
    ['geolocation', content.geolocation],
    ['AwaitingReconsent', content.awaitingReconsent],
    ['intType', content.interaction],
    ['crTime', content.crTimeMs],
  ];
  return fields.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${formEncode(value)}`])).join('&');
}

/** The value of OptanonAlertBoxClosed for the moment at which the banner was answered, epoch milliseconds. */
export function writeAlertBoxClosed(answeredMs: number): string {
  return new Date(answeredMs).toISOString();
}

const formEncode = (value: string | number | boolean): string => encodeURIComponent(value).replaceAll('%20', '+');

/** A date as a browser in London writes it in winter. */
function browserDate(ms: number): string {
  const [weekday = '', day, month, year, time] = new Date(ms).toUTCString().split(' ');
  return `${weekday.replace(',', '')} ${month} ${day} ${year} ${time} GMT+0000 (Greenwich Mean Time)`;
}
