// The report of a run: table, reasons, proof, the log's own verification, addresses; for people and as JSON.

import { explainReasons, tellProof } from './proof.ts';
import type { Row } from './row.ts';
import { describeSteps, type Look, paint, renderRows, wrapWords } from './table.ts';

/** What `verify-log --order` makes of the demonstration's log. */
export interface Verification {
  readonly entries: number;
  readonly batches: number;
  /** Hash of the newest batch. */
  readonly head: string | null;
  readonly decisions: number;
  readonly attempts: number;
  /** Permits whose delivery has not ended. */
  readonly open: number;
  /** One sentence for each thing that is wrong. */
  readonly findings: readonly string[];
}

export interface Run {
  readonly rows: readonly Row[];
  /** One line for each promise that was not kept. */
  readonly broken: readonly string[];
  readonly verification: Verification;
  readonly maxWaitMs: number;
  /** What the stand-in for Meta takes to answer, milliseconds. */
  readonly metaLatencyMs: number;
  readonly durationMs: number;
}

/** The run as a person reads it. */
export function describeRun(run: Run, look: Look): string {
  const { rows, broken, maxWaitMs } = run;
  const bold = (text: string) => paint(text, 'bold', look.color);
  const outcome =
    broken.length === 0
      ? [bold(paint('Proven', 'green', look.color)), ...tellProof(rows, maxWaitMs)]
      : [bold(paint('Not as promised', 'red', look.color)), ...broken.map((line) => `broken promise: ${line}`)];
  return [
    renderRows(rows, look),
    ...wrapped(
      `Each visitor buys one mug. Times count from the acceptance of the event: for Meta until it had answered, for Klaviyo until it was asked. The stand-in for Meta takes ${run.metaLatencyMs} ms to answer; here Klaviyo waits for it at most ${maxWaitMs} ms.`,
      look,
    ),
    '\n',
    explainReasons(rows, look.width),
    '\n',
    ...outcome.flatMap((line) => wrapped(line, look)),
    ...describeVerification(run.verification).flatMap((line) => wrapped(line, look)),
  ].join('');
}

function wrapped(text: string, { width }: Look): readonly string[] {
  return wrapWords(text, width).map((line) => `${line}\n`);
}

function describeVerification(found: Verification): readonly string[] {
  const { entries, batches, attempts, decisions, open, head, findings } = found;
  const size = `${entries} entries in ${batches} batches`;
  if (findings.length > 0) {
    return [`verify-log --order: the log is NOT whole (${size})`, ...findings.map((what) => `violation: ${what}`)];
  }
  return [
    `verify-log --order: the log is whole, ${size}, and the order holds: ${attempts} attempts on ${decisions} decisions, ${open} still open; head ${head?.slice(0, 16) ?? 'none'}.`,
  ];
}

export interface Addresses {
  readonly shop: string;
  readonly script: string;
  readonly metrics: string;
  /** What to type to check the log from another terminal. */
  readonly verifyCommand: string;
}

/** Where to look while it is running. */
export function describeAddresses({ shop, script, metrics, verifyCommand }: Addresses, look: Look): string {
  const lines = [
    ['shop page', `${shop}/`],
    ['script', script],
    ['metrics', metrics],
    ['its log', verifyCommand],
  ] as const;
  const list = lines.map(([name, where]) => `  ${name.padEnd(10)} ${paint(where, 'bold', look.color)}\n`).join('');
  return `\nNow buy a mug yourself; Ctrl-C ends the demo and removes what it wrote.\n${list}`;
}

/** The run with snake-case names, times in milliseconds since acceptance. */
export function runAsJson({ rows, broken, verification, maxWaitMs, durationMs }: Run) {
  return {
    ok: broken.length === 0,
    broken_promises: broken,
    rows: rows.map((row) => ({
      visitor: row.visitor,
      story: row.story,
      country: row.country,
      region: row.region,
      signal: row.signal,
      decisions: row.decisions,
      left: describeSteps(row.steps),
      steps: row.steps.map(stepAsJson),
    })),
    max_wait_ms: maxWaitMs,
    duration_ms: Math.round(durationMs),
    verify_log: verification,
  };
}

function stepAsJson(step: Row['steps'][number]) {
  const asked_ms = tenths(step.askedMs);
  if (step.kind === 'withdrawal') return { kind: step.kind, asked_ms, cancelled: step.cancelled };
  const { kind, to, answeredMs, status, capiStatus } = step;
  return {
    kind,
    to,
    asked_ms,
    answered_ms: answeredMs === null ? null : tenths(answeredMs),
    status,
    capi_status: capiStatus,
  };
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;
