import { expect, test } from 'vitest';
import type { CollectedEvent } from '../../src/core/event.ts';
import { toMetaEvent } from '../../src/destinations/meta-event.ts';
import { delivery, event, metaAt } from './deliveries.ts';

const SHAPE = metaAt('http://127.0.0.1');
const limited = (over: Partial<CollectedEvent>) => toMetaEvent(delivery(event(over), { limitedDataUse: true }), SHAPE);
const email = 'lena.vogt@posteo.example';
const hidden = { ip: null, userAgent: 'Mozilla/5.0' };

const options = (country: number, state: number) => ({
  data_processing_options: ['LDU'],
  data_processing_options_country: country,
  data_processing_options_state: state,
});

test.each<[string, Partial<CollectedEvent>, object]>([
  ['of which nothing is known but the address', {}, options(0, 0)],
  ['from California', { user: { email, country: 'US', region: 'California' } }, options(1, 1000)],
  ['from New Hampshire, abbreviated', { user: { email, country: 'usa', region: ' nh ' } }, options(1, 1009)],
  ['from a state without such a law', { user: { email, country: 'US', region: 'Nevada' } }, options(0, 0)],
  ['from a region of another country', { user: { email, country: 'CA', region: 'CO' } }, options(0, 0)],
  [
    'from Texas, without an address',
    { user: { email, country: 'US', region: 'TX' }, client: hidden },
    options(1, 1005),
  ],
])('a person %s is found by state or address', (_name, over, expected) => {
  expect(limited(over)).toMatchObject(expected);
});

test.each<[string, Partial<CollectedEvent>]>([
  ['nor state', { client: hidden }],
  ['nor a state that has an option', { client: hidden, user: { email, country: 'US', region: 'NV' } }],
  ['but a private one', { client: { ...hidden, ip: '10.0.0.7' } }],
])('without an address %s the option could have no effect, and nothing is sent', (_name, over) => {
  expect(limited(over)).toEqual({ skipped: 'meta.limited_data_use_impossible' });
});

test('without an opt-out there is no option', () => {
  expect(toMetaEvent(delivery(), SHAPE)).not.toHaveProperty('data_processing_options');
});
