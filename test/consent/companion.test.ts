// What one carrier may borrow of another, and which of several readings counts.

import { expect, it } from 'vitest';
import { writeTcString } from '../../src/demo/consent-strings.ts';
import { ALL_PURPOSES, DAY, decide, decideOn, defaultPolicy, grantedTc, NOW } from './fixture.ts';

it('a TC string does not borrow the companion of another TC string', () => {
  const old = writeTcString({ createdMs: NOW - 800 * DAY, purposes: ALL_PURPOSES });
  const bundle = [{ tcf: { tc: grantedTc() } }, { tcf: { tc: old }, additional_consent: { ac: '1~89' } }];
  expect(decideOn(bundle).reason).toBe('vendor.not_disclosed');
  expect(decideOn([{ tcf: { tc: grantedTc() } }, { additional_consent: { ac: '1~89' } }]).reason).toBe(
    'consent.granted',
  );
});
it('an opt-out reaches a destination that the policy leaves out', () => {
  const policy = { ...defaultPolicy, destinations: {} };
  const facts = {
    destination: 'klaviyo',
    atMs: NOW,
    configured: true,
    mapped: true,
    duplicate: false,
    erased: false,
    paused: false,
    transactional: false,
    withdrawnMs: null,
  };
  expect(
    decide(
      { name: 'purchase', objections: [] },
      [{ gpc: { gpc: true } }],
      { country: 'US', basis: 'proxy_header' },
      policy,
      facts,
    ).reason,
  ).toBe('optout.gpc');
});
it('of two silent readings of one signal the more telling counts', () => {
  const old = writeTcString({ createdMs: NOW - 800 * DAY, purposes: ALL_PURPOSES });
  expect(
    decideOn([{ tcf: { unreadable: 'length', code: 'consent.malformed', length: 2, hash: 'x' } }, { tcf: { tc: old } }])
      .reason,
  ).toBe('consent.expired');
});
