import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { CollectedEvent, EventUser } from '../../src/core/event.ts';
import { metaUserData } from '../../src/destinations/meta-user-data.ts';
import { EVENT_MS, event, NOW_MS } from './deliveries.ts';

const sha256 = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');
const userDataOf = (over: Partial<CollectedEvent>) => metaUserData(event(over), NOW_MS);
const DIGEST = sha256('already hashed by the shop');

describe('a value is normalised before it is hashed', () => {
  test.each<[key: string, user: EventUser, normalised: string | null]>([
    ['em', { email: '\u00a0Lena.Vogt+news@Posteo.Example ' }, 'lena.vogt+news@posteo.example'],
    ['em', { email: 'lena@posteo' }, null],
    ['em', { email: 'lena..vogt@posteo.example' }, null],
    ['em', { email: 'le\u200bna@posteo.example' }, null],
    ['em', { email: '   ' }, null],
    ['ph', { phone: '0151 234 567 89', country: 'DE' }, '4915123456789'],
    ['ph', { phone: '+43 (0)1 58858-0' }, '431588580'],
    ['ph', { phone: '0039 06 6982 0001' }, '390669820001'],
    ['ph', { phone: '0151 234 567 89' }, null],
    ['ph', { phone: '1 (650) 253-0000' }, '16502530000'],
    ['ph', { phone: '+1 555 0100 999' }, '15550100999'],
    ['ph', { phone: '112', country: 'DE' }, null],
    ['ph', { phone: 'bitte mailen', country: 'DE' }, null],
    ['fn', { first_name: ' Anne-Marie ' }, 'annemarie'],
    ['ln', { last_name: "O'Neill" }, 'oneill'],
    ['ln', { last_name: 'von der Au\u0308e' }, 'vonderaüe'],
    ['fn', { first_name: '佐藤' }, '佐藤'],
    ['fn', { first_name: '–' }, null],
    ['ge', { gender: 'FEMALE' }, 'f'],
    ['ge', { gender: 'm' }, 'm'],
    ['ge', { gender: 'divers' }, null],
    ['db', { birthday: '1984-02-29' }, '19840229'],
    ['db', { birthday: '29.2.1984' }, '19840229'],
    ['db', { birthday: '12/31/1984' }, '19841231'],
    ['db', { birthday: '19840229' }, '19840229'],
    ['db', { birthday: '1985-02-29' }, null],
    ['db', { birthday: '1884-02-29' }, null],
    ['db', { birthday: '2031-01-01' }, null],
    ['db', { birthday: '1984' }, null],
    ['ct', { city: 'St. Gallen' }, 'stgallen'],
    ['ct', { city: 'Kraków' }, 'kraków'],
    ['st', { region: 'New Hampshire', country: 'USA' }, 'nh'],
    ['st', { region: 'n.h.', country: 'US' }, 'nh'],
    ['st', { region: 'Kansas' }, 'ks'],
    ['st', { region: 'Ontario', country: 'US' }, null],
    ['st', { region: 'Nordrhein-Westfalen', country: 'DE' }, 'nordrheinwestfalen'],
    ['st', { region: 'QLD', country: 'AU' }, 'qld'],
    ['zp', { postal_code: '03431-2204', country: 'US' }, '03431'],
    ['zp', { postal_code: '03431-2204' }, '03431'],
    ['zp', { postal_code: 'EC1A 1BB', country: 'GB' }, 'ec1a1bb'],
    ['zp', { postal_code: '1000-205', country: 'PT' }, '1000205'],
    ['country', { country: 'AUT' }, 'at'],
    ['country', { country: 'uk' }, 'gb'],
    ['country', { country: 'Schweiz' }, 'ch'],
    ['country', { country: 'Czech Republic' }, 'cz'],
    ['country', { country: 'XX' }, null],
    ['country', { country: 'Atlantis' }, null],
    ['external_id', { external_id: ' K-0077 ' }, 'K-0077'],
    ['external_id', { external_id: ' ' }, null],
  ])('%s of %j is %s', (key, user, normalised) => {
    const found = Object.entries(userDataOf({ user })).find(([name]) => name === key);
    expect(found?.[1]).toEqual(normalised === null ? undefined : [sha256(normalised)]);
  });

  test.each<keyof EventUser>(['email', 'phone', 'first_name', 'city', 'country', 'external_id'])(
    'a digest in place of the %s is taken as it is, in small letters',
    (field) => {
      expect(Object.values(userDataOf({ user: { [field]: ` ${DIGEST.toUpperCase()} ` } })).flat()).toContain(DIGEST);
    },
  );

  test('what only looks like a digest is none', () => {
    expect(userDataOf({ user: { email: DIGEST.slice(1), phone: `${DIGEST}0`, country: DIGEST.slice(2) } })).toEqual(
      userDataOf({ user: {} }),
    );
  });
});

test('the visitor id is no customer id', () => {
  expect(userDataOf({ visitor_id: 'v-1' })).not.toHaveProperty('external_id');
});

describe('the client address', () => {
  test.each([
    ['46.5.12.77', '46.5.12.77'],
    ['2a02:908:13b0::1', '2a02:908:13b0::1'],
    ['::ffff:46.5.12.77', '46.5.12.77'],
    ['192.168.178.20', undefined],
    ['100.100.1.1', undefined],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['fd00::12', undefined],
    ['fe80::1', undefined],
    ['::ffff:10.0.0.1', undefined],
    ['unknown', undefined],
    [null, undefined],
  ])('%s is sent as %s', (ip, expected) => {
    expect(userDataOf({ client: { ip, userAgent: 'Mozilla/5.0' } }).client_ip_address).toBe(expected);
  });
});

describe('the browser ids', () => {
  const { ids: _ids, ...bare } = event();

  test.each([
    ['fb.1.1763970000000.IwAR2xYz_aBc-Q', 'fb.1.1763970000000.IwAR2xYz_aBc-Q'],
    ['fb.2.1763970000000.IwAR2xYz.AQQCAQMC', 'fb.2.1763970000000.IwAR2xYz.AQQCAQMC'],
    ['fb.1.1763970000000.IwAR2xYz.Bg', 'fb.1.1763970000000.IwAR2xYz.Bg'],
    ['fb.1.1763970000000', undefined],
    ['fb.1.17639700x.IwAR2xYz', undefined],
    ['fb.1.1763970000000.Iw AR', undefined],
    ['FB.1.1763970000000.IwAR2xYz', undefined],
    [`fb.1.${NOW_MS + 3_600_000}.IwAR2xYz`, undefined],
    ['', undefined],
  ])('fbc %s is sent verbatim or not at all', (fbc, expected) => {
    expect(metaUserData({ ...bare, ids: { fbc } }, NOW_MS).fbc).toBe(expected);
  });

  test.each([
    ['fb.1.1763970000000.4711008150', 'fb.1.1763970000000.4711008150'],
    ['fb.1.1763970000000.4711008150.AQQAAQMC', 'fb.1.1763970000000.4711008150.AQQAAQMC'],
    ['fb.1.1763970000000.abc', undefined],
    ['fb.1.1763970000000.', undefined],
  ])('fbp %s is sent verbatim or not at all', (fbp, expected) => {
    expect(metaUserData({ ...bare, ids: { fbp } }, NOW_MS).fbp).toBe(expected);
  });

  test('a click id without fbc becomes one, dated by the event and in its own letters', () => {
    expect(metaUserData({ ...bare, ids: { fbclid: 'IwAR2xYz' } }, NOW_MS).fbc).toBe(`fb.1.${EVENT_MS}.IwAR2xYz`);
    const landing = { ...bare, page: { url: 'https://kaffeehaus.example/?fbclid=AbC_-9' } };
    expect(metaUserData(landing, NOW_MS).fbc).toBe(`fb.1.${EVENT_MS}.AbC_-9`);
  });

  test('neither is made up', () => {
    const person = metaUserData({ ...bare, ids: { fbclid: '' } }, NOW_MS);
    expect(person).not.toHaveProperty('fbc');
    expect(person).not.toHaveProperty('fbp');
  });
});
