// What every store must do, whatever the database: run for SQLite, and for each that follows.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CAPI_STATUS, type SettledOutcome } from '../../src/core/delivery.ts';
import type { Accepted, Claim } from '../../src/core/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { tcfStrings } from '../consent-samples.ts';
import { granted, type OpenStore, refused, START_MS, type StoreWorld, storeWorld, WAIT_MS } from './world.ts';

const verdicts = (accepted: Accepted | undefined) =>
  accepted?.verdicts.map(({ destination, verdict, reason }) => `${destination} ${verdict} ${reason}`);
const names = (claims: readonly Claim[]) => claims.map(({ destination, jobId }) => `${destination} ${jobId}`);
const PERMITS = ['meta permit consent.granted', 'klaviyo permit consent.granted'];
const DUPLICATES = ['meta drop event.duplicate', 'klaviyo drop event.duplicate'];

/** Registers the suite for one way to open a store. */
export function describeStore(name: string, open: OpenStore): void {
  describe(`${name}: accept`, () => {
    const given = withStore(open);

    test('a consented event is permitted at both destinations and queued, Klaviyo behind Meta', async () => {
      const { world, store } = given();
      const [accepted] = await store.accept([world.candidate({ event: 'e1' })]);
      expect(verdicts(accepted)).toEqual(PERMITS);
      expect([(await store.queue('meta')).due, (await store.queue('klaviyo')).waiting]).toEqual([1, 1]);
    });

    test('an event without consent is dropped at both and leaves nothing in the queue', async () => {
      const { world, store } = given();
      const [accepted] = await store.accept([world.candidate({ event: 'e1', consent: null })]);
      expect(verdicts(accepted)).toEqual(['meta drop consent.absent', 'klaviyo drop consent.absent']);
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
    });

    test('where Meta is not permitted Klaviyo is due at once and is told so', async () => {
      const { world, store } = given();
      const consent = tcfStrings({ atMs: world.now() - 86_400_000, purposes: [1, 3, 4, 7], meta: false });
      const [accepted] = await store.accept([world.candidate({ event: 'e1', consent })]);
      expect(verdicts(accepted)).toEqual(['meta drop vendor.denied', 'klaviyo permit consent.granted']);
      const [claim] = (await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat();
      expect(claim?.capiStatus).toBe('skipped');
    });

    test('a batch is decided one by one, in its order', async () => {
      const { world, store } = given();
      const accepted = await store.accept([
        world.candidate({ event: 'e1' }),
        world.candidate({ event: 'e2', consent: refused(world.now()), visitor: 'ben' }),
        world.candidate({ event: 'e1' }),
      ]);
      expect(accepted.map(verdicts)).toEqual([
        PERMITS,
        ['meta drop category.denied', 'klaviyo drop category.denied'],
        DUPLICATES,
      ]);
    });

    test('an event older than a destination takes is too old for it alone', async () => {
      const { world, store } = given();
      const timeMs = world.now() - 8 * 86_400_000;
      const [accepted] = await store.accept([world.candidate({ event: 'e1', timeMs })]);
      expect(verdicts(accepted)).toEqual(['meta drop event.too_old', 'klaviyo permit consent.granted']);
    });

    test('intake is refused while more heads are due than are being sent, consent changes are not', async () => {
      const { world } = given();
      const store = await world.reopen({ maxDueJobs: 1 });
      await store.accept([
        world.candidate({ event: 'e1', visitor: 'a' }),
        world.candidate({ event: 'e2', visitor: 'b' }),
      ]);
      await expect(store.accept([world.candidate({ event: 'e3', visitor: 'c' })])).rejects.toMatchObject({
        code: 'unavailable',
        retryAfterSeconds: 2,
      });
      expect((await store.health()).ready).toBe(false);
      const changed = await store.changeConsent(world.consentChange(['a'], refused(world.now())));
      expect(changed.cancelled).toBe(2);
    });

    test('the backlog of a failing destination does not refuse intake', async () => {
      const { world } = given();
      const store = await world.reopen({ maxDueJobs: 0 });
      await store.accept([world.candidate({ event: 'e1', visitor: 'a' })]);
      expect((await store.health()).ready).toBe(false);
      store.setFailing('meta', true);
      await expect(store.accept([world.candidate({ event: 'e2', visitor: 'b' })])).resolves.toHaveLength(1);
    });
  });

  describe(`${name}: duplicates`, () => {
    const given = withStore(open);
    const again = async (world: StoreWorld, store: Store, visit: Parameters<StoreWorld['candidate']>[0]) =>
      (await store.accept([world.candidate(visit)]))[0];

    test('the same id of the same name is a duplicate, also after a restart; another name is another event', async () => {
      const { world, store } = given();
      await again(world, store, { event: 'e1' });
      expect(await again(world, store, { event: 'e1' })).toMatchObject({ duplicate: true });
      const reopened = await world.reopen();
      expect(verdicts(await again(world, reopened, { event: 'e1' }))).toEqual(DUPLICATES);
      expect(verdicts(await again(world, reopened, { event: 'e1', name: 'add_to_cart' }))).toEqual(PERMITS);
    });

    test('one transaction is one purchase under whatever event ids', async () => {
      const { world, store } = given();
      expect(await again(world, store, { event: 'e1', name: 'purchase', order: '1001' })).toMatchObject({
        duplicate: false,
      });
      expect(await again(world, store, { event: 'e2', name: 'purchase', order: '1001' })).toMatchObject({
        duplicate: true,
      });
    });

    test('it is logged once, and then only counted', async () => {
      const { world, store } = given();
      await again(world, store, { event: 'e1' });
      await again(world, store, { event: 'e1' });
      const seq = store.outbox.newestSeq();
      await again(world, store, { event: 'e1' });
      expect(store.outbox.newestSeq()).toBe(seq);
    });

    test('a superseded purchase takes nothing: the order still goes afterwards', async () => {
      const { world, store } = given();
      const objections = [{ code: 'event.superseded', destination: '*' }] as const;
      const first = await again(world, store, { event: 'e1', name: 'purchase', order: '7', objections });
      expect(verdicts(first)).toEqual(['meta drop event.superseded', 'klaviyo drop event.superseded']);
      expect(verdicts(await again(world, store, { event: 'e2', name: 'purchase', order: '7' }))).toEqual(PERMITS);
    });

    test('a drop for lack of consent takes the id: a later grant does not send it', async () => {
      const { world, store } = given();
      await again(world, store, { event: 'e1', consent: null });
      expect(verdicts(await again(world, store, { event: 'e1' }))).toEqual(DUPLICATES);
    });

    test('after seven days an id is free again', async () => {
      const { world, store } = given();
      await again(world, store, { event: 'e1' });
      world.pass(9 * 86_400_000);
      const reopened = await world.reopen();
      expect(await again(world, reopened, { event: 'e1' })).toMatchObject({ duplicate: false });
    });

    test('a refusal in a duplicate counts as a withdrawal', async () => {
      const { world, store } = given();
      await again(world, store, { event: 'e1' });
      world.pass(1000);
      await again(world, store, { event: 'e1', consent: refused(world.now()) });
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      const later = await again(world, store, { event: 'e2', consent: granted(world.now() - 60_000) });
      expect(verdicts(later)).toEqual(['meta drop consent.withdrawn', 'klaviyo drop consent.withdrawn']);
    });
  });

  describe(`${name}: release`, () => {
    const given = withStore(open);

    test.each(Object.entries(CAPI_STATUS))(
      'Klaviyo is released when Meta ends as %s, and is told %s',
      async (outcome, status) => {
        const { world, store } = given();
        await store.accept([world.candidate({ event: 'e1' })]);
        const [meta] = (await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat();
        if (meta === undefined) throw new Error('nothing to claim');
        expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
        await store.outbox.settle(world.settlement(meta, { outcome: outcome as SettledOutcome }));
        const [klaviyo] = (await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat();
        expect(klaviyo).toMatchObject({ capiStatus: status, eventSeq: meta.eventSeq });
        expect(klaviyo?.releasedSeq).toBe(store.outbox.newestSeq());
      },
    );

    test('Klaviyo is released as deferred when its wait is over, and not before', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      world.pass(WAIT_MS - 1);
      expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      world.pass(1);
      expect(await claimSoon(store, 'klaviyo')).toMatchObject({ capiStatus: 'deferred' });
    });

    test('what was queued before a start waits its time anew', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      void store;
      world.pass(WAIT_MS - 1000);
      const reopened = await world.reopen();
      world.pass(2000);
      expect((await reopened.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      world.pass(WAIT_MS);
      expect(await claimSoon(reopened, 'klaviyo')).toMatchObject({ capiStatus: 'deferred' });
    });

    test('a deferred release stands whatever becomes of Meta later', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      const [meta] = (await store.outbox.claim('meta', { jobs: 1, runLength: 1 })).flat();
      world.pass(WAIT_MS);
      const klaviyo = await claimSoon(store, 'klaviyo');
      if (meta === undefined || klaviyo === undefined) throw new Error('nothing to claim');
      await store.outbox.settle(world.settlement(meta));
      await store.outbox.settle(world.settlement(klaviyo));
      expect([(await store.queue('meta')).due, (await store.queue('klaviyo')).due]).toEqual([0, 0]);
    });
  });

  describe(`${name}: lanes`, () => {
    const given = withStore(open);

    test('a person has one event under way at a destination, others go on', async () => {
      const { world, store } = given();
      await store.accept(['e1', 'e2'].map((event) => world.candidate({ event, visitor: 'anna' })));
      await store.accept([world.candidate({ event: 'e3', visitor: 'ben' })]);
      const claims = (await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat();
      expect(claims).toHaveLength(2);
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      const [first] = claims;
      if (first === undefined) throw new Error('nothing to claim');
      await store.outbox.settle(world.settlement(first));
      const [second] = (await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat();
      expect(second?.eventSeq).toBeGreaterThan(first.eventSeq);
      expect(second?.visitorRefs).toEqual(first.visitorRefs);
    });

    test('a retry keeps its place: the lane waits for it and no other lane does', async () => {
      const { world, store } = given();
      await store.accept(['e1', 'e2'].map((event) => world.candidate({ event, visitor: 'anna' })));
      const [first] = (await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat();
      if (first === undefined) throw new Error('nothing to claim');
      const dueMs = world.now() + 5000;
      await store.outbox.settle(
        world.settlement(first, { outcome: 'retrying', httpStatus: 500, dueMs, unknown: true }),
      );
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      expect(await store.outbox.nextDueMs('meta')).toBe(dueMs);
      world.pass(5000);
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toMatchObject([
        { jobId: first.jobId, attempt: 1, earlierUnknown: true },
      ]);
    });

    test('a claim behind a hot lane does not read that lane', async () => {
      const { world, store } = given();
      for (let batch = 0; batch < 10; batch += 1) {
        await store.accept(
          Array.from({ length: 100 }, (_, i) => world.candidate({ event: `hot ${batch} ${i}`, visitor: 'hot' })),
        );
      }
      await store.accept([world.candidate({ event: 'cold', visitor: 'cold' })]);
      expect(names((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat())).toHaveLength(2);
    });

    test('what comes due between a claim and the question after the next one is not forgotten', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      const [first] = (await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat();
      if (first === undefined) throw new Error('nothing to claim');
      const dueMs = world.now() + 1000;
      await store.outbox.settle(world.settlement(first, { outcome: 'retrying', httpStatus: 500, dueMs }));
      world.pass(999);
      expect(await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).toEqual([]);
      world.pass(2);
      expect(await store.outbox.nextDueMs('meta')).toBe(dueMs);
    });

    test('parked jobs wait without an attempt until they are released', async () => {
      const { world, store } = given();
      await store.accept(['a', 'b'].map((visitor) => world.candidate({ event: visitor, visitor })));
      for (const claim of (await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat())
        store.outbox.park(claim);
      await committed(store);
      expect([(await store.queue('meta')).paused, await store.outbox.parkedSites('meta')]).toEqual([2, ['shop']]);
      const reopened = await world.reopen();
      expect((await reopened.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
      reopened.outbox.unpark('meta', 'shop', 1);
      await committed(reopened);
      expect((await reopened.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toMatchObject([{ attempt: 0 }]);
    });

    test('the queue is whole after a restart, attempts and releases included', async () => {
      const { world, store } = given();
      await store.accept(['a', 'b', 'c'].map((visitor) => world.candidate({ event: visitor, visitor })));
      const [a, b] = (await store.outbox.claim('meta', { jobs: 2, runLength: 1 })).flat();
      if (a === undefined || b === undefined) throw new Error('nothing to claim');
      await store.outbox.settle(world.settlement(a));
      await store.outbox.settle(world.settlement(b, { outcome: 'retrying', dueMs: world.now(), httpStatus: 503 }));
      const reopened = await world.reopen();
      expect(
        (await reopened.outbox.claim('meta', { jobs: 10, runLength: 1 }))
          .flat()
          .map(({ attempt }) => attempt)
          .sort(),
      ).toEqual([0, 1]);
      expect((await reopened.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toMatchObject([
        { capiStatus: 'sent', eventSeq: a.eventSeq },
      ]);
    });
  });

  describe(`${name}: withdrawal`, () => {
    const given = withStore(open);

    test("it cancels what is queued of that visitor, counted in jobs, and nobody else's", async () => {
      const { world, store } = given();
      await store.accept(['e1', 'e2'].map((event) => world.candidate({ event, visitor: 'anna' })));
      await store.accept([world.candidate({ event: 'e3', visitor: 'ben' })]);
      const changed = await store.changeConsent(world.consentChange(['anna'], refused(world.now())));
      expect(changed.cancelled).toBe(4);
      expect(changed.verdicts.map(({ verdict }) => verdict)).toEqual(['drop', 'drop']);
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toHaveLength(1);
    });

    test('what is under way may end, and is forbidden at the next look', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      const [claim] = (await store.outbox.claim('meta', { jobs: 1, runLength: 1 })).flat();
      if (claim === undefined) throw new Error('nothing to claim');
      expect((await store.outbox.look(claim)).withdrawnMs).toBeNull();
      const { cancelled } = await store.changeConsent(world.consentChange(['anna'], refused(world.now())));
      expect(cancelled).toBe(1);
      expect((await store.outbox.look(claim)).withdrawnMs).toBe(world.now());
      await store.outbox.settle(world.settlement(claim));
      expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toEqual([]);
    });

    test('withdrawn for Meta alone, Klaviyo goes on and is told skipped', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      const partly = tcfStrings({ atMs: world.now() - 86_400_000, purposes: [1, 3, 4, 7], meta: false });
      const changed = await store.changeConsent(world.consentChange(['anna'], partly));
      expect(changed).toMatchObject({ cancelled: 1, verdicts: [{ verdict: 'drop' }, { verdict: 'permit' }] });
      expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toMatchObject([
        { capiStatus: 'skipped' },
      ]);
    });

    test('it survives a restart; an older grant does not undo it, a reported one does', async () => {
      const { world, store } = given();
      await store.changeConsent(world.consentChange(['anna'], refused(world.now())));
      void store;
      const reopened = await world.reopen();
      const [before] = await reopened.accept([world.candidate({ event: 'e1' })]);
      expect(verdicts(before)?.[0]).toBe('meta drop consent.withdrawn');
      await reopened.changeConsent(world.consentChange(['anna'], granted(world.now())));
      const [after] = await reopened.accept([world.candidate({ event: 'e2' })]);
      expect(verdicts(after)).toEqual(PERMITS);
    });

    test('a grant whose own time is later than the withdrawal counts', async () => {
      const { world, store } = given();
      await store.changeConsent(world.consentChange(['anna'], refused(world.now())));
      world.pass(120_000);
      const [later] = await store.accept([world.candidate({ event: 'e1', consent: granted(world.now()) })]);
      expect(verdicts(later)).toEqual(PERMITS);
      const sameDay = tcfStrings({ atMs: START_MS, purposes: [1, 3, 4, 7], meta: true });
      const [dated] = await store.accept([world.candidate({ event: 'e2', consent: sameDay })]);
      expect(verdicts(dated)?.[0]).toBe('meta drop consent.withdrawn');
    });

    test('what performs a contract goes without consent and is no part of a withdrawal', async () => {
      const { world, store } = given();
      const visit = { event: 'e1', name: 'transactional', consent: refused(world.now()) };
      const [accepted] = await store.accept([world.candidate(visit)]);
      expect(verdicts(accepted)).toEqual(['meta drop category.denied', 'klaviyo permit consent.not_required']);
      expect(accepted?.verdicts.map(({ consentPermits }) => consentPermits)).toEqual([false, false]);
      const { cancelled } = await store.changeConsent(world.consentChange(['anna'], refused(world.now())));
      expect(cancelled).toBe(0);
      expect((await store.outbox.claim('klaviyo', { jobs: 10, runLength: 1 })).flat()).toHaveLength(1);
    });

    test('where no visitor is named the state is decided and nothing is kept but an entry', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      const seq = store.outbox.newestSeq();
      const changed = await store.changeConsent(world.consentChange([], refused(world.now())));
      expect(changed.cancelled).toBe(0);
      expect(store.outbox.newestSeq()).toBe(seq + 1);
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toHaveLength(1);
    });

    test('a first-time refuser leaves no state: a grant a moment later counts', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1', consent: refused(world.now()) })]);
      const [second] = await store.accept([world.candidate({ event: 'e2', consent: granted(world.now() - 600_000) })]);
      expect(verdicts(second)).toEqual(PERMITS);
    });

    test("an event in another person's lane is found by each visitor that it names", async () => {
      const { world, store } = given();
      const own = world.candidate({ event: 'e1', visitor: 'anna' });
      const [other] = world.consentChange(['cookie'], refused(world.now())).visitors;
      if (other === undefined) throw new Error('no visitor');
      await store.accept([{ ...own, visitorRefs: [...own.visitorRefs, other.ref] }]);
      const { cancelled } = await store.changeConsent(world.consentChange(['cookie'], refused(world.now())));
      expect(cancelled).toBe(2);
    });
  });

  describe(`${name}: dead letters`, () => {
    const given = withStore(open);

    test('a refused delivery can be listed and sent after all', async () => {
      const { world, store } = given();
      await store.accept([world.candidate({ event: 'e1' })]);
      const [claim] = (await store.outbox.claim('meta', { jobs: 1, runLength: 1 })).flat();
      if (claim === undefined) throw new Error('nothing to claim');
      await store.outbox.settle(
        world.settlement(claim, { outcome: 'refused', httpStatus: 400, code: 'meta.100.2804003' }),
      );
      expect(await store.deadLetters()).toMatchObject([
        { id: claim.jobId, destination: 'meta', eventId: 'e1', code: 'meta.100.2804003', attempts: 1 },
      ]);
      expect(await store.retryDeadLetters('all')).toBe(1);
      expect((await store.outbox.claim('meta', { jobs: 10, runLength: 1 })).flat()).toMatchObject([
        { jobId: claim.jobId },
      ]);
      expect(await store.deadLetters()).toEqual([]);
    });
  });
}

function withStore(open: OpenStore): () => { world: StoreWorld; store: Store } {
  let current: { world: StoreWorld; store: Store } | null = null;
  beforeEach(async () => {
    const world = storeWorld(open);
    current = { world, store: await world.open() };
  });
  afterEach(async () => {
    expect(current?.world.broken).toEqual([]);
    await current?.world.end();
  });
  return () => {
    if (current === null) throw new Error('no store');
    return current;
  };
}

/** Resolves with the next commit. */
function committed(store: Store): Promise<void> {
  return new Promise((resolve) => store.onCommit(() => resolve()));
}

/** A claim that commits must come before: what changes a job is recorded first. */
async function claimSoon(store: Store, destination: string): Promise<Claim | undefined> {
  for (let commits = 0; commits < 4; commits += 1) {
    const next = committed(store);
    const [now] = (await store.outbox.claim(destination, { jobs: 10, runLength: 1 })).flat();
    if (now !== undefined) return now;
    await next;
  }
  return (await store.outbox.claim(destination, { jobs: 10, runLength: 1 })).flat()[0];
}
