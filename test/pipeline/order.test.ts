import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ENTRY_KINDS, type EntryKind } from '../../src/core/ledger.ts';
import type { Finding } from '../../src/pipeline/log-check.ts';
import { checkOrder, type OrderEntry, type OrderSummary } from '../../src/pipeline/order.ts';
import { withLog } from '../../src/store/read.ts';
import { openStoredLog } from '../../src/store/stored-log.ts';
import { buildLog, logDay, temporaryFolder } from '../log-builder.ts';

const NOTHING = {
  event_seq: 1,
  destination: null,
  verdict: null,
  decision_seq: null,
  outcome: null,
  started_seq: null,
};

type Line = readonly [EntryKind, Partial<OrderEntry>];

/** Entries 1, 2, 3, … in the order given. */
async function judge(...lines: readonly Line[]): Promise<{ findings: readonly Finding[]; summary: OrderSummary }> {
  const entries = lines.map(
    ([kind, fields], i): OrderEntry => ({ ...NOTHING, seq: i + 1, kind: ENTRY_KINDS[kind], ...fields }),
  );
  const findings: Finding[] = [];
  const summary = await checkOrder([entries], 'meta', { finding: (finding) => findings.push(finding) });
  return { findings, summary };
}

const META_PERMIT: Line = ['decision', { destination: 'meta', verdict: 'permit' }];
const META_DROP: Line = ['decision', { destination: 'meta', verdict: 'drop' }];
const KLAVIYO_PERMIT: Line = ['decision', { destination: 'klaviyo', verdict: 'permit' }];
const KLAVIYO_DROP: Line = ['decision', { destination: 'klaviyo', verdict: 'drop' }];
const RELEASE: Line = ['release', { destination: 'klaviyo', decision_seq: 2 }];
/** Meta's decision is entry 1 and Klaviyo's entry 2 in all of these. */
const meta = (outcome: string, started_seq: number | null): Line => [
  'delivery',
  { destination: 'meta', decision_seq: 1, outcome, started_seq },
];
const klaviyo = (outcome: string, started_seq: number | null): Line => [
  'delivery',
  { destination: 'klaviyo', decision_seq: 2, outcome, started_seq },
];

describe('a log in order', () => {
  it.each<[string, readonly Line[]]>([
    [
      'Klaviyo began behind the acceptance of Meta',
      [META_PERMIT, KLAVIYO_PERMIT, meta('accepted', 2), klaviyo('accepted', 3)],
    ],
    ['Meta was refused', [META_PERMIT, KLAVIYO_PERMIT, meta('refused', 2), klaviyo('accepted', 3)]],
    [
      'Meta was given up after retries',
      [META_PERMIT, KLAVIYO_PERMIT, meta('retrying', 2), meta('gave_up', 3), klaviyo('accepted', 4)],
    ],
    [
      'Meta was skipped without an attempt',
      [META_PERMIT, KLAVIYO_PERMIT, meta('skipped', null), klaviyo('accepted', 3)],
    ],
    ['Meta was not permitted', [META_DROP, KLAVIYO_PERMIT, klaviyo('accepted', 2)]],
    [
      'a duplicate for Meta was logged before, so that only Klaviyo was decided',
      [['start', { event_seq: null }], KLAVIYO_PERMIT, klaviyo('accepted', 2)],
    ],
    [
      'the wait for Meta was over, and Meta was accepted later',
      [META_PERMIT, KLAVIYO_PERMIT, meta('retrying', 2), RELEASE, klaviyo('accepted', 4), meta('accepted', 5)],
    ],
    [
      'both were cancelled, Klaviyo first',
      [META_PERMIT, KLAVIYO_PERMIT, klaviyo('cancelled', null), meta('cancelled', null)],
    ],
    [
      'an attempt was under way when its job was cancelled',
      [META_PERMIT, KLAVIYO_PERMIT, meta('cancelled', null), meta('accepted', 2)],
    ],
    [
      'dead letters were sent by hand',
      [
        META_PERMIT,
        KLAVIYO_PERMIT,
        meta('refused', 2),
        klaviyo('gave_up', 3),
        klaviyo('retrying', 4),
        klaviyo('accepted', 5),
        meta('accepted', 6),
      ],
    ],
    ['Meta alone was permitted', [META_PERMIT, KLAVIYO_DROP, meta('accepted', 2)]],
  ])('%s', async (_what, lines) => {
    expect((await judge(...lines)).findings).toEqual([]);
  });
});

describe('a violation is found, with its place', () => {
  it.each<[string, Finding['code'], number, readonly Line[]]>([
    ['Klaviyo before Meta had ended', 'order.unreleased', 3, [META_PERMIT, KLAVIYO_PERMIT, klaviyo('accepted', 2)]],
    [
      'Klaviyo begun before and ended behind the acceptance of Meta',
      'order.unreleased',
      4,
      [META_PERMIT, KLAVIYO_PERMIT, meta('accepted', 2), klaviyo('accepted', 2)],
    ],
    [
      'Klaviyo while Meta was being retried',
      'order.unreleased',
      4,
      [META_PERMIT, KLAVIYO_PERMIT, meta('retrying', 2), klaviyo('accepted', 3)],
    ],
    [
      'Klaviyo begun one entry before its release',
      'order.unreleased',
      5,
      [META_PERMIT, KLAVIYO_PERMIT, meta('retrying', 2), RELEASE, klaviyo('retrying', 3)],
    ],
    ['Meta without a permit', 'order.not_permitted', 3, [META_DROP, KLAVIYO_PERMIT, meta('accepted', 2)]],
    [
      'Klaviyo without a permit',
      'order.not_permitted',
      4,
      [META_PERMIT, KLAVIYO_DROP, meta('accepted', 2), klaviyo('accepted', 3)],
    ],
    [
      'a delivery that cites no decision',
      'order.not_permitted',
      2,
      [META_PERMIT, ['delivery', { destination: 'meta', outcome: 'accepted', started_seq: 1 }]],
    ],
    [
      'a delivery that cites the permit of another destination',
      'order.not_permitted',
      3,
      [
        META_PERMIT,
        KLAVIYO_PERMIT,
        ['delivery', { destination: 'klaviyo', decision_seq: 1, outcome: 'accepted', started_seq: 2 }],
      ],
    ],
    [
      'a delivery that cites the permit of another event',
      'order.not_permitted',
      3,
      [
        META_PERMIT,
        KLAVIYO_PERMIT,
        ['delivery', { destination: 'meta', event_seq: 7, decision_seq: 1, outcome: 'accepted', started_seq: 2 }],
      ],
    ],
    [
      'an attempt that began before its own decision',
      'order.impossible_start',
      3,
      [['start', { event_seq: null }], KLAVIYO_PERMIT, klaviyo('accepted', 1)],
    ],
    [
      'an attempt that began after its own outcome',
      'order.impossible_start',
      3,
      [META_PERMIT, KLAVIYO_DROP, meta('accepted', 9)],
    ],
    [
      'an attempt behind the withdrawal',
      'order.behind_end',
      4,
      [META_PERMIT, KLAVIYO_PERMIT, meta('cancelled', null), meta('accepted', 3)],
    ],
    [
      'a retry behind the withdrawal',
      'order.behind_end',
      5,
      [META_PERMIT, KLAVIYO_PERMIT, meta('retrying', 2), meta('cancelled', null), meta('retrying', 4)],
    ],
    [
      'a second success',
      'order.not_permitted',
      4,
      [META_PERMIT, KLAVIYO_DROP, meta('accepted', 2), meta('accepted', 3)],
    ],
    [
      'an attempt that overlaps the end of its dead letter',
      'order.behind_end',
      4,
      [META_PERMIT, KLAVIYO_DROP, meta('gave_up', 2), meta('accepted', 2)],
    ],
    [
      'a dead letter that is sent again after its success',
      'order.not_permitted',
      5,
      [META_PERMIT, KLAVIYO_DROP, meta('gave_up', 2), meta('accepted', 3), meta('accepted', 4)],
    ],
  ])('%s', async (_what, code, seq, lines) => {
    const { findings } = await judge(...lines);
    expect(findings.map((finding) => [finding.code, finding.firstSeq, finding.lastSeq])).toEqual([[code, seq, seq]]);
    expect(findings[0]?.what).toContain(`entry ${seq} `);
  });
});

describe('what is counted', () => {
  it('decisions, deliveries, attempts, and permits that have not ended', async () => {
    const { summary } = await judge(META_PERMIT, KLAVIYO_PERMIT, meta('retrying', 2), meta('skipped', null));
    expect(summary).toEqual({ decisions: 2, deliveries: 2, attempts: 1, open: 1 });
  });

  it('a stored log is read in pages and found in order; an attempt planted in it is found', async () => {
    const log = await buildLog(join(temporaryFolder(onTestFinished), 'sluice.db'));
    logDay(log, 900);
    const check = async () => {
      const findings: Finding[] = [];
      const listener = { finding: (finding: Finding) => findings.push(finding) };
      const summary = await withLog(log.file, (store) => checkOrder(openStoredLog(store).order, 'meta', listener));
      return { findings, summary };
    };
    expect(await check()).toMatchObject({ findings: [], summary: { decisions: 1800, open: 0 } });
    const planted = log.append('delivery', {
      event_seq: 2,
      decision_seq: 2,
      destination: 'meta',
      outcome: 'accepted',
      started_seq: 9,
    });
    log.close();
    expect((await check()).findings).toMatchObject([{ code: 'order.not_permitted', firstSeq: planted }]);
  });
});
