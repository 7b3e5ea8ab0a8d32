// Both destinations under the contract.

import { startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { klaviyoError } from '../../src/demo/fake-klaviyo-answers.ts';
import { graphError, startFakeMeta } from '../../src/demo/fake-meta.ts';
import { klaviyo } from '../../src/destinations/klaviyo.ts';
import { meta } from '../../src/destinations/meta.ts';
import { destinationContract } from './contract.ts';
import { KEY, klaviyoAt, metaAt, TOKEN } from './deliveries.ts';

destinationContract({
  name: 'meta',
  secret: TOKEN,
  async start() {
    const fake = await startFakeMeta({ datasets: { 880012345: TOKEN } });
    return {
      ...fake,
      open: (limits) => meta.open(metaAt(fake.url), limits),
      counted: () => fake.accepted().filter(({ duplicate }) => !duplicate).length,
    };
  },
  refused: { fault: () => graphError(100, { subcode: 2804003 }), code: 'meta.100.2804003' },
  transient: { fault: () => graphError(2), code: 'meta.2' },
  throttled: { fault: () => withRetryAfter(graphError(4)), code: 'meta.4' },
  misconfigured: { fault: () => graphError(190, { subcode: 463, status: 500 }), code: 'meta.190.463' },
});

destinationContract({
  name: 'klaviyo',
  secret: KEY,
  async start() {
    const fake = await startFakeKlaviyo({ key: KEY });
    return {
      ...fake,
      open: (limits) => klaviyo.open(klaviyoAt(fake.url), limits),
      counted: () => fake.accepted().filter(({ duplicate }) => !duplicate).length,
    };
  },
  refused: { fault: () => klaviyoError(400), code: 'klaviyo.400.invalid' },
  transient: { fault: () => klaviyoError(503, { code: 'unavailable' }), code: 'klaviyo.503.unavailable' },
  throttled: { fault: () => withRetryAfter(klaviyoError(429)), code: 'klaviyo.429.throttled' },
  misconfigured: { fault: () => klaviyoError(401), code: 'klaviyo.401.not_authenticated' },
});

function withRetryAfter(fault: ReturnType<typeof graphError>): ReturnType<typeof graphError> {
  if (fault.do !== 'answer') return fault;
  return { ...fault, reply: { ...fault.reply, headers: { ...fault.reply.headers, 'retry-after': '2' } } };
}
