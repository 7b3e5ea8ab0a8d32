// What a policy takes for granted about a shop, said once at start and by `check-config`: none of it is a mistake, and each
// of it can silently cost every event.

import type { DestinationPolicy, Policy } from '../core/policy-file.ts';

/** The id that OneTrust itself gives the targeting category. Shops rename it. */
const GUESSED_GROUP = 'C0004';

/** Sentences for whoever runs the shop. Pure. */
export function policyHints(policy: Pick<Policy, 'id' | 'destinations'>): readonly string[] {
  const listed = Object.entries(policy.destinations);
  const those = (test: (wanted: DestinationPolicy) => boolean) =>
    listed.filter(([, wanted]) => test(wanted)).map(([id]) => id);
  const guessed = those(({ onetrust }) => onetrust?.groups.includes(GUESSED_GROUP) === true);
  const additional = those(
    ({ tcf }) => tcf?.vendorEvidence.some((kind) => kind.startsWith('additional_consent:')) === true,
  );
  const purposesOnly = those(({ tcf }) => tcf !== undefined && tcf.vendorEvidence.length === 0).filter(
    (id) => id === 'meta',
  );
  const google = those((wanted) => wanted.google?.sufficient === true);
  const say = (ids: readonly string[], sentence: string) =>
    ids.length === 0 ? [] : [`policy ${policy.id}: ${ids.join(' and ')} ${sentence}`];
  return [
    ...say(
      guessed,
      `count on OneTrust group ${GUESSED_GROUP}, which is OneTrust's default for targeting and a guess here: compare it with your own banner`,
    ),
    ...say(
      additional,
      'need vendor evidence beside a TC string: where your banner writes no Additional Consent string, every TC string alone ends in vendor.not_disclosed',
    ),
    ...say(purposesOnly, 'are permitted by TCF purposes alone, although no TC string names that vendor'),
    ...say(
      google,
      'are permitted by Google Consent Mode alone, whose signals show neither when nor how consent was given',
    ),
  ];
}
