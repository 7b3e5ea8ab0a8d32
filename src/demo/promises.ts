// Whether what was promised to a visitor came true: one clear line for each promise that was broken.

import { type Row, requestsTo } from './row.ts';
import type { Visitor } from './visitors.ts';

/** How much later than maxWaitMs a busy machine may ask Klaviyo before the promise counts as broken, milliseconds. */
const LATE_MS = 1500;
/** Both destinations were queued when the visitor took consent back. */
const QUEUED_JOBS = 2;

/** Every promise to this visitor that the row does not keep. `maxWaitMs`: how long Klaviyo waits for Meta. */
export function brokenPromises(visitor: Visitor, row: Row, maxWaitMs: number): readonly string[] {
  const broken = [...decisionsBroken(visitor, row), ...arrivalsBroken(visitor, row)];
  if (visitor.trouble === 'withdraws') broken.push(...withdrawalBroken(row));
  if (visitor.trouble !== 'none' && !hasFailed(row)) broken.push('Meta was to fail and did not: nothing was shown');
  if (visitor.promised.capiStatus === 'sent') broken.push(...turnBroken(row));
  if (visitor.promised.capiStatus === 'deferred') broken.push(...waitBroken(row, maxWaitMs));
  return broken.map((what) => `${row.visitor}: ${what}`);
}

function hasFailed({ steps }: Row): boolean {
  return requestsTo('meta', steps).some(({ status }) => status === 503);
}

function decisionsBroken({ promised }: Visitor, { decisions }: Row): string[] {
  return (['meta', 'klaviyo'] as const).flatMap((destination) => {
    const wanted = `${promised[destination].verdict} ${promised[destination].reason}`;
    const found = decisions.find((decision) => decision.destination === destination);
    const logged = found === undefined ? 'nothing' : `${found.verdict} ${found.reason}`;
    return logged === wanted ? [] : [`the log must say ${wanted} for ${destination} and says ${logged}`];
  });
}

function arrivalsBroken({ promised }: Visitor, { steps }: Row): string[] {
  const broken: string[] = [];
  const takenByMeta = requestsTo('meta', steps).filter(({ status }) => status === 200).length;
  const asked = requestsTo('meta', steps).length;
  if (promised.metaHasIt && takenByMeta !== 1) broken.push(`Meta must have it once and has it ${takenByMeta} times`);
  if (!promised.metaHasIt && takenByMeta > 0) broken.push('Meta must not have it and has it');
  if (promised.meta.verdict === 'drop' && asked > 0) broken.push(`${asked} requests about it reached Meta`);
  const told = requestsTo('klaviyo', steps).map(({ status, capiStatus }) => `${status} ${capiStatus}`);
  const wanted = promised.capiStatus === null ? [] : [`202 ${promised.capiStatus}`];
  if (told.join() !== wanted.join()) {
    broken.push(`Klaviyo must have got ${list(wanted)} and got ${list(told)}`);
  }
  return broken;
}

const list = (texts: readonly string[]): string => (texts.length === 0 ? 'nothing' : texts.join(', '));

/** Meta's last answer must be there before Klaviyo is asked. */
function turnBroken({ steps }: Row): string[] {
  const klaviyo = requestsTo('klaviyo', steps)[0];
  if (klaviyo === undefined) return [];
  const late = requestsTo('meta', steps).filter(({ answeredMs }) => (answeredMs ?? Infinity) > klaviyo.askedMs);
  return late.length === 0 ? [] : ['Klaviyo was asked before Meta had answered'];
}

function waitBroken({ steps }: Row, maxWaitMs: number): string[] {
  const klaviyo = requestsTo('klaviyo', steps)[0];
  if (klaviyo === undefined) return [];
  const waitedMs = Math.round(klaviyo.askedMs);
  const taken = requestsTo('meta', steps).find(({ status }) => status === 200);
  const broken: string[] = [];
  if (waitedMs < maxWaitMs) broken.push(`Klaviyo was asked after ${waitedMs} ms, before maxWaitMs was over`);
  if (waitedMs > maxWaitMs + LATE_MS) broken.push(`Klaviyo was asked after ${waitedMs} ms, long after maxWaitMs`);
  if (taken !== undefined && taken.askedMs < klaviyo.askedMs) broken.push('Meta had taken it before Klaviyo was asked');
  return broken;
}

function withdrawalBroken({ steps }: Row): string[] {
  const withdrawal = steps.find((step) => step.kind === 'withdrawal');
  if (withdrawal === undefined) return ['the withdrawal was not answered'];
  const broken: string[] = [];
  if (withdrawal.cancelled !== QUEUED_JOBS) {
    broken.push(`the withdrawal must cancel ${QUEUED_JOBS} jobs and cancelled ${withdrawal.cancelled}`);
  }
  const after = steps.filter((step) => step.kind === 'request' && step.askedMs > withdrawal.askedMs).length;
  if (after > 0) broken.push(`${after} requests left after the withdrawal`);
  return broken;
}
