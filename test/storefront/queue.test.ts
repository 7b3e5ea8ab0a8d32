import { describe, expect, it } from 'vitest';
import type { WireConsent } from '../../src/core/event.ts';
import { createQueue } from '../../src/storefront/queue.ts';
import type { Parcel } from '../../src/storefront/transport.ts';

const ACCEPTED: WireConsent = { tcf: 'C-accepted' };
const event = (id: string) => ({ name: 'view_item', event_id: id });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function open() {
  const posted: Parcel[] = [];
  const readers: ((consent: WireConsent) => void)[] = [];
  const queue = createQueue({
    collectUrl: 'https://collect.shop.example/collect',
    consentUrl: 'https://collect.shop.example/consent',
    read: (done) => readers.push(done),
    post: (parcel) => posted.push(parcel),
  });
  return {
    queue,
    posted,
    readers,
    said: () => posted.map(({ url, body }) => [new URL(url).pathname, JSON.parse(body)]),
  };
}

describe('the queue of a page', () => {
  it('reads the consent once for all events of a turn and sends them as one batch', async () => {
    const { queue, readers, said } = open();
    queue.add(event('a'));
    queue.add(event('b'));
    await turn();
    expect(readers).toHaveLength(1);
    expect(said()).toEqual([]);
    readers[0]?.(ACCEPTED);
    expect(said()).toEqual([
      [
        '/collect',
        {
          events: [
            { ...event('a'), consent: ACCEPTED },
            { ...event('b'), consent: ACCEPTED },
          ],
        },
      ],
    ]);
  });

  it('reads the consent anew for the next event', async () => {
    const { queue, readers, said } = open();
    queue.add(event('a'));
    await turn();
    readers[0]?.({});
    queue.add(event('b'));
    await turn();
    readers[1]?.(ACCEPTED);
    expect(said().map(([, body]) => body)).toEqual([event('a'), { ...event('b'), consent: ACCEPTED }]);
  });

  it('sends an event once when the page is left before the CMP answers', async () => {
    const { queue, readers, said } = open();
    queue.add(event('a'));
    await turn();
    queue.flush({ onetrust: 'groups=C0004%3A1' });
    readers[0]?.(ACCEPTED);
    expect(said()).toEqual([['/collect', { ...event('a'), consent: { onetrust: 'groups=C0004%3A1' } }]]);
  });

  it('reports consent before the events that were made under it', async () => {
    const { queue, readers, said } = open();
    queue.add(event('a'));
    queue.report('consent');
    await turn();
    readers[0]?.(ACCEPTED);
    expect(said().map(([path]) => path)).toEqual(['/consent', '/collect']);
    expect(said()[0]?.[1]).toEqual({ consent: ACCEPTED });
  });

  it('reports no consent where none can be read: silence would count as a refusal', async () => {
    const { queue, readers, said } = open();
    queue.report('consent');
    await turn();
    readers[0]?.({});
    expect(said()).toEqual([]);
  });

  it.each([[{}], [ACCEPTED]])('states a withdrawal as a refusal beside the evidence %j', async (consent) => {
    const { queue, readers, said } = open();
    queue.report('withdraw');
    await turn();
    readers[0]?.(consent);
    expect(said()).toEqual([['/consent', { consent: { ...consent, gcs: 'G100' } }]]);
  });

  it('gives up repeating a report that a later one replaced, and never an event', async () => {
    const { queue, readers, posted } = open();
    queue.report('consent');
    queue.add(event('a'));
    await turn();
    readers[0]?.(ACCEPTED);
    const [grant, sent] = posted;
    expect([grant?.isWanted(), sent?.isWanted()]).toEqual([true, true]);
    queue.report('withdraw');
    await turn();
    readers[1]?.(ACCEPTED);
    expect([grant?.isWanted(), sent?.isWanted(), posted[2]?.isWanted()]).toEqual([false, true, true]);
  });

  it('sends nothing when a page without events is left', () => {
    const { queue, posted } = open();
    queue.flush(ACCEPTED);
    expect(posted).toEqual([]);
  });
});
