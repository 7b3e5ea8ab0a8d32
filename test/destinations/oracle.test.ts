import { ParamBuilder, PII_DATA_TYPE } from 'capi-param-builder-nodejs';
import { describe, expect, test } from 'vitest';
import type { EventUser } from '../../src/core/event.ts';
import { metaUserData } from '../../src/destinations/meta-user-data.ts';
import { createBrowserIds } from '../../src/pipeline/browser-ids.ts';
import { countingIds, KEYS, site } from '../http/shop.ts';
import { event, NOW_MS } from './deliveries.ts';

// Meta's own library as a second opinion, where it does what Meta's documentation says. It appends a mark of its own to
// everything that it makes; here it is taken off again.
const builder = new ParamBuilder(['shop.example']);
const theirs = (value: string, type: (typeof PII_DATA_TYPE)[keyof typeof PII_DATA_TYPE]) =>
  builder.getNormalizedAndHashedPII(value, type)?.slice(0, 64) ?? null;

type Row = readonly [key: 'em' | 'ph' | 'fn' | 'ln' | 'db' | 'ge' | 'ct' | 'st' | 'zp' | 'country', user: EventUser];

const FIELDS = {
  em: ['email', PII_DATA_TYPE.EMAIL],
  ph: ['phone', PII_DATA_TYPE.PHONE],
  fn: ['first_name', PII_DATA_TYPE.FIRST_NAME],
  ln: ['last_name', PII_DATA_TYPE.LAST_NAME],
  db: ['birthday', PII_DATA_TYPE.DATE_OF_BIRTH],
  ge: ['gender', PII_DATA_TYPE.GENDER],
  ct: ['city', PII_DATA_TYPE.CITY],
  st: ['region', PII_DATA_TYPE.STATE],
  zp: ['postal_code', PII_DATA_TYPE.ZIP_CODE],
  country: ['country', PII_DATA_TYPE.COUNTRY],
} as const;

describe('Meta\u2019s own library agrees', () => {
  test.each<Row>([
    ['em', { email: '  Lena.VOGT+herbst@Posteo.Example ' }],
    ['em', { email: 'lena' }],
    ['em', { email: 'lena@@posteo.example' }],
    ['em', { email: '   ' }],
    ['em', { email: 'A4FF0B1C'.repeat(8) }],
    ['ph', { phone: '+49 (151) 234-567 89' }],
    ['ph', { phone: '0049 151 23456789' }],
    ['ph', { phone: '+1 650.253.0000' }],
    ['ph', { phone: 'call me' }],
    ['fn', { first_name: ' Jean-Luc ' }],
    ['fn', { first_name: 'Мария' }],
    ['fn', { first_name: '正男' }],
    ['ln', { last_name: "O'Connor" }],
    ['ln', { last_name: 'Müller' }],
    ['ln', { last_name: 'de la Cruz' }],
    ['db', { birthday: '1990-12-31' }],
    ['db', { birthday: '12/31/1990' }],
    ['db', { birthday: '31.12.1990' }],
    ['db', { birthday: '1899-05-05' }],
    ['db', { birthday: 'soon' }],
    ['ge', { gender: 'Female' }],
    ['ge', { gender: ' m ' }],
    ['ge', { gender: 'x' }],
    ['ct', { city: 'New York' }],
    ['ct', { city: 'St. Gallen' }],
    ['st', { region: 'CA', country: 'US' }],
    ['st', { region: 'North Carolina', country: 'US' }],
    ['zp', { postal_code: '94035-1234', country: 'US' }],
    ['zp', { postal_code: ' 10115 ', country: 'DE' }],
    ['country', { country: 'DE' }],
    ['country', { country: 'Germany' }],
  ])('about %s of %j', (key, user) => {
    const [field, type] = FIELDS[key];
    const ours = metaUserData(event({ user }), NOW_MS)[key];
    // The library keeps birthdays from 1800 on, Meta's page says 1900.
    const expected = key === 'db' && user.birthday?.startsWith('18') ? null : theirs(user[field] ?? '', type);
    expect(ours ?? null).toEqual(expected === null ? null : [expected]);
  });

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['www.shop.example', { fbclid: 'IwAR2xYz_aBc-Q' }, {}],
    ['www.shop.example', {}, { _fbc: 'fb.1.1763970000000.IwAR2xYz_aBc-Q' }],
    ['shop.example', { fbclid: 'New' }, { _fbc: 'fb.1.1763970000000.Old' }],
    ['shop.example', { fbclid: 'Same' }, { _fbc: 'fb.1.1763970000000.Same' }],
    ['shop.example', {}, { _fbc: 'fb.1.17aa.Old' }],
  ])('about fbc at %s with %j and %j', (host, query, cookies) => {
    builder.processRequest(host, query, cookies, null);
    const find = createBrowserIds({ keys: KEYS, ids: countingIds() });
    const { ids } = find(
      event({ ids: {}, page: { url: `https://${host}/?${new URLSearchParams(query)}` }, timeMs: NOW_MS }),
      {
        site: site({ destinations: new Map([['meta', {}]]) }),
        receivedMs: NOW_MS,
        origin: `https://${host}`,
        carriersOf: () => [],
        cookie: (name) => (cookies[name] === undefined ? [] : [cookies[name]]),
        proxyCountry: null,
        clientIp: null,
      },
      ['v-1'],
    );
    const [, index, , click] = builder.getFbc()?.split('.') ?? [];
    expect(ids?.fbc?.split('.').filter((_part, at) => at === 1 || at === 3)).toEqual(
      index === undefined ? undefined : [index, click],
    );
  });
});
