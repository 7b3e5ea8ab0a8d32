// `sluice verify-log`: proves that nobody altered the log, and with --order that nothing left out of turn.

import type { Command } from 'commander';
import { z } from 'zod';
import { destinations } from '../destinations/index.ts';
import type { Finding, Listener } from '../pipeline/log-check.ts';
import { checkOrder, type OrderSummary } from '../pipeline/order.ts';
import { type VerifySummary, verifyLog } from '../pipeline/verify.ts';
import { withLog } from '../store/read.ts';
import { openStoredLog } from '../store/stored-log.ts';
import { databaseFileOf } from './database.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

const EXAMPLE = `
Exit codes: 0 the log is whole, 1 something is wrong (each finding names its place), 2 it could not be checked.

Examples:
  sluice verify-log
  sluice verify-log --order --json | jq .violations`;

/** Adds the command to the program. */
export function registerVerifyLog(program: Command, io: CommandIo): void {
  program
    .command('verify-log')
    .description('prove that the log was not altered: every entry, every batch, and the chain that links them')
    .option('--order', 'prove as well that nothing was sent without a permit, before its turn or behind a withdrawal')
    .option('--json', 'print the result as one JSON object')
    .option('--config <file>', 'the configuration file (default: SLUICE_CONFIG, else the packaged one)')
    .addHelpText('after', EXAMPLE)
    .action(async (_own, command: Command) => {
      try {
        const given = options.parse(command.optsWithGlobals());
        const result = await check(databaseFileOf(given.config, io), given);
        io.stdout(given.json ? `${JSON.stringify(toJson(result), null, 2)}\n` : describe(result));
        io.exit(result.count === 0 ? 0 : 1);
      } catch (error) {
        reportFailure(io, error);
      }
    });
}

const options = z.object({
  order: z.boolean().default(false),
  json: z.boolean().default(false),
  config: z.string().optional(),
});

interface Result {
  readonly summary: VerifySummary;
  readonly order: OrderSummary | null;
  readonly findings: readonly Finding[];
  /** All findings, also those that are not kept. */
  readonly count: number;
}

/** A log that is wrong everywhere must not fill the memory. */
const MAX_KEPT = 1000;
const MAX_PRINTED = 50;

function check(file: string, { order }: { readonly order: boolean }): Promise<Result> {
  return withLog(file, async (store) => {
    const log = openStoredLog(store);
    const findings: Finding[] = [];
    let count = 0;
    const finding = (one: Finding) => {
      count += 1;
      if (findings.length < MAX_KEPT) findings.push(one);
    };
    const listenerOf = (step: string): Listener => ({ finding, progress: progressOf(step, log.entryCount) });
    const summary = await verifyLog(log, listenerOf('checking'));
    const [leader = ''] = destinations.map(({ id }) => id);
    const ordered = order ? await checkOrder(log.order, leader, listenerOf('checking the order')) : null;
    return { summary, order: ordered, findings, count };
  });
}

const QUIET_MS = 2000;
const EVERY_MS = 500;

/** Progress for a person who waits: on a terminal only, and not before it has become long. */
function progressOf(step: string, total: number): (entries: number) => void {
  let nextMs = performance.now() + QUIET_MS;
  let isShown = false;
  return (entries) => {
    if (!process.stderr.isTTY) return;
    const isLast = entries >= total;
    if (isShown && isLast) process.stderr.write('\r\u001b[K');
    if (isLast || performance.now() < nextMs) return;
    nextMs = performance.now() + EVERY_MS;
    isShown = true;
    process.stderr.write(`\r${step}: ${entries} of ${total} entries (${Math.floor((entries / total) * 100)} %)`);
  };
}

function describe({ summary, order, findings, count }: Result): string {
  const lines = findings.slice(0, MAX_PRINTED).map(({ code, what }) => `violation: ${what} [${code}]`);
  if (count > lines.length) lines.push(`… and ${count - lines.length} more`);
  lines.push(count === 0 ? 'the log is whole' : `the log is NOT whole: ${count} violation${count === 1 ? '' : 's'}`);
  const { entries, batches, firstSeq, lastSeq, evidence, subjectLinks } = summary;
  const range = entries === 0 ? '' : ` (${firstSeq}–${lastSeq})`;
  lines.push(
    `  ${entries} entries${range} in ${batches} batches of chain ${summary.chain ?? 'none'}`,
    `  evidence of ${evidence.checked} entries matches or is named above, of ${evidence.erased} it was erased`,
    `  subject links of ${subjectLinks.checked} entries match or are named above, of ${subjectLinks.erased} they were erased`,
  );
  if (order !== null) {
    lines.push(
      `  order of ${order.attempts} attempts on ${order.decisions} decisions; ${order.open} permits have not ended yet`,
    );
  }
  if (summary.head !== null) {
    lines.push(
      `  head ${summary.head}`,
      `  This proves the log up to its end. That its end was not cut off, only a head kept elsewhere can prove.`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function toJson({ summary, order, findings, count }: Result) {
  return {
    ok: count === 0,
    chain: summary.chain,
    entries: summary.entries,
    batches: summary.batches,
    first_seq: summary.firstSeq,
    last_seq: summary.lastSeq,
    head: summary.head,
    evidence: summary.evidence,
    subject_links: summary.subjectLinks,
    order,
    violation_count: count,
    violations: findings.map(({ code, firstSeq, lastSeq, batch, what }) => {
      return { code, first_seq: firstSeq, last_seq: lastSeq, batch, what };
    }),
  };
}
