// What a run of the demonstration has shown, in words: the reasons that came up, and the two sentences that matter.

import { isReasonCode, REASONS } from '../core/reasons.ts';
import { type Row, requestsTo } from './row.ts';
import { wrapWords } from './table.ts';

/** Each reason that came up, with the sentence that the console and the exports print for it. */
export function explainReasons(rows: readonly Row[], width: number): string {
  const codes = [...new Set(rows.flatMap(({ decisions }) => decisions.map(({ reason }) => reason)))].filter(
    isReasonCode,
  );
  const longest = Math.max(0, ...codes.map((code) => code.length));
  const lines = codes.flatMap((code) =>
    wrapWords(REASONS[code].sentence, width - longest - 2).map(
      (line, index) => `${(index === 0 ? code : '').padEnd(longest)}  ${line}`,
    ),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** What the rows prove. Meant for rows of which every promise was kept. */
export function tellProof(rows: readonly Row[], maxWaitMs: number): readonly string[] {
  const gaps = rows.flatMap(gapOf);
  const waits = rows.flatMap(waitOf);
  const refusers = rows.filter(({ decisions }) => decisions.every(({ verdict }) => verdict === 'drop'));
  const cancelled = rows.flatMap(({ steps }) => steps.filter((step) => step.kind === 'withdrawal'));
  return [
    `Meta first: ${gaps.length} of ${gaps.length} times Klaviyo was asked only after Meta had answered, at the closest ${closest(gaps)} ms later.` +
      (waits.length === 0
        ? ''
        : ` While Meta was down Klaviyo waited ${Math.floor(Math.max(...waits))} ms (maxWaitMs: ${maxWaitMs}) and was told so: "deferred".`),
    `Consent decides: of the ${refusers.length} who refused, opted out or never answered, nothing left this machine.` +
      (cancelled.length === 0 ? '' : ' A withdrawal stopped what was still queued, and Meta was not asked again.'),
  ];
}

/** From Meta's answer to the question to Klaviyo, milliseconds, where Meta was waited for. */
function gapOf({ steps }: Row): readonly number[] {
  const klaviyo = requestsTo('klaviyo', steps)[0];
  const answeredMs = requestsTo('meta', steps).find(({ status }) => status === 200)?.answeredMs ?? null;
  return klaviyo?.capiStatus === 'sent' && answeredMs !== null ? [klaviyo.askedMs - answeredMs] : [];
}

/** How long Klaviyo waited in vain, milliseconds. */
function waitOf({ steps }: Row): readonly number[] {
  return requestsTo('klaviyo', steps)
    .filter(({ capiStatus }) => capiStatus === 'deferred')
    .map(({ askedMs }) => askedMs);
}

function closest(gaps: readonly number[]): string {
  return Math.max(0, Math.min(...gaps)).toFixed(1);
}
