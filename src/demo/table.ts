// Rows as a table that fits a terminal, and as a list where it is too narrow for one.

import { type Row, requestsTo, type Step } from './row.ts';

export interface Look {
  /** Of the terminal, in characters. */
  readonly width: number;
  readonly color: boolean;
}

type Style = 'plain' | 'bold' | 'dim' | 'green' | 'red';

/** A piece of a line. Its width is that of its text, whatever the style writes around it. */
interface Piece {
  readonly text: string;
  readonly style: Style;
}

const CODES: Readonly<Record<Style, string>> = { plain: '', bold: '1', dim: '2', green: '32', red: '31' };
const WIDEST = 120;
/** Narrower than this the columns are no longer readable side by side. */
const TABLE_FROM = 112;
const GAP = '  ';
const HEADS = ['VISITOR', 'REGION', 'SIGNAL', 'DECISION AND ITS REASON', 'WHAT LEFT, AND WHEN'] as const;
const WIDTHS = [17, 9, 11, 35] as const;

/** The rows, ready to print. */
export function renderRows(rows: readonly Row[], look: Look): string {
  const width = Math.min(look.width, WIDEST);
  return width >= TABLE_FROM ? renderTable(rows, { ...look, width }) : renderList(rows, { ...look, width });
}

/** A style around a text, where colour is wanted. */
export function paint(text: string, style: Style, color: boolean): string {
  return color && style !== 'plain' && text !== '' ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

function renderTable(rows: readonly Row[], { width, color }: Look): string {
  const last = width - WIDTHS.reduce((sum, each) => sum + each + GAP.length, 0);
  const widths = [...WIDTHS, last];
  const rule = paint('─'.repeat(width), 'dim', color);
  const head = lineOf(
    HEADS.map((text) => ({ text, style: 'bold' })),
    widths,
    color,
  );
  const bodies = rows.map((row) => tableLines(row, widths).map((pieces) => lineOf(pieces, widths, color)));
  return [head, rule, ...bodies.flatMap((lines) => [...lines, rule])].map((line) => `${line}\n`).join('');
}

/** The lines of one row: as many as its tallest cell needs. */
function tableLines(row: Row, widths: readonly number[]): readonly (readonly Piece[])[] {
  const plain = (lines: readonly string[], at: number, style: Style = 'plain'): readonly Piece[] =>
    lines.flatMap((line) => wrapWords(line, widths[at] ?? WIDEST)).map((text) => ({ text, style }));
  const cells = [
    [...plain([row.visitor], 0, 'bold'), ...plain([row.story], 0)],
    plain([row.country, row.region], 1),
    plain([row.signal], 2),
    decisionPieces(row),
    plain(packParts(describeSteps(row.steps), widths[4] ?? WIDEST), 4),
  ];
  const height = Math.max(...cells.map((cell) => cell.length));
  return Array.from({ length: height }, (_, line) => cells.map((cell) => cell[line] ?? { text: '', style: 'plain' }));
}

function lineOf(pieces: readonly Piece[], widths: readonly number[], color: boolean): string {
  const padded = pieces.map(({ text, style }, at) => {
    const isLast = at === pieces.length - 1;
    return paint(text, style, color) + (isLast ? '' : ' '.repeat(Math.max(0, (widths[at] ?? 0) - text.length)));
  });
  return padded.join(GAP).trimEnd();
}

const DESTINATION_WIDTH = 7;
const VERDICT_WIDTH = 6;

function decisionPieces({ decisions }: Row): readonly Piece[] {
  return decisions.map(({ destination, verdict, reason }) => ({
    text: `${destination.padEnd(DESTINATION_WIDTH)} ${verdict.padEnd(VERDICT_WIDTH)} ${reason}`,
    style: verdict === 'permit' ? 'green' : 'red',
  }));
}

function renderList(rows: readonly Row[], { width, color }: Look): string {
  const indent = '  ';
  const blocks = rows.map((row) => [
    `${paint(row.visitor, 'bold', color)}, ${row.story}`,
    ...wrapWords(`${row.country} ${row.region}, signal: ${row.signal}`, width - indent.length).map(
      (line) => indent + line,
    ),
    ...decisionPieces(row).map(({ text, style }) => indent + paint(text, style, color)),
    ...packParts(describeSteps(row.steps), width - indent.length)
      .flatMap((line) => wrapWords(line, width - indent.length))
      .map((line) => indent + line),
  ]);
  return blocks.map((lines) => `${lines.join('\n')}\n\n`).join('');
}

/** What happened, in its order, in a few words each: for Meta when it had answered, for Klaviyo when it was asked. */
export function describeSteps(steps: readonly Step[]): readonly string[] {
  if (steps.length === 0) return ['nothing'];
  return groupFailures(steps).map(describeGroup);
}

/** Failures at Meta without anything between them are told as one. */
function groupFailures(steps: readonly Step[]): readonly (readonly Step[])[] {
  const groups: Step[][] = [];
  for (const step of steps) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    if (group !== undefined && before !== undefined && isFailure(before) && isFailure(step)) group.push(step);
    else groups.push([step]);
  }
  return groups;
}

function isFailure(step: Step): boolean {
  return step.kind === 'request' && step.to === 'meta' && step.status !== 200;
}

function describeGroup(group: readonly Step[]): string {
  const [first] = group;
  if (first === undefined) return '';
  if (first.kind === 'withdrawal') return `withdrawn ${since(first.askedMs)}: ${first.cancelled} cancelled`;
  if (first.to === 'klaviyo') {
    const refusal = first.status === 202 ? '' : `, ${first.status ?? NO_ANSWER}`;
    return `klaviyo ${since(first.askedMs)} (${first.capiStatus}${refusal})`;
  }
  return isFailure(first) ? describeFailures(requestsTo('meta', group)) : `meta ${since(endOf(first))}`;
}

type RequestStep = ReturnType<typeof requestsTo>[number];

function describeFailures(failures: readonly RequestStep[]): string {
  const ends = failures.map(endOf);
  const what = failures.at(-1)?.status ?? NO_ANSWER;
  const [from, to] = [wholeMs(ends[0] ?? 0), wholeMs(ends.at(-1) ?? 0)];
  return failures.length === 1 ? `meta +${from} ms (${what})` : `meta +${from}…${to} ms (${failures.length} × ${what})`;
}

const endOf = ({ answeredMs, askedMs }: RequestStep): number => answeredMs ?? askedMs;
const NO_ANSWER = 'no answer';
const wholeMs = (ms: number): number => Math.max(0, Math.floor(ms));
const since = (ms: number): string => `+${wholeMs(ms)} ms`;

const ARROW = '→ ';

/** Joins parts by arrows into as few lines as the width allows; a part is never broken. */
export function packParts(parts: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const [index, part] of parts.entries()) {
    const text = index === 0 ? part : ARROW + part;
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + text.length <= width) lines[lines.length - 1] = `${line} ${text}`;
    else lines.push(text);
  }
  return lines;
}

/** Breaks a text at its spaces. A word that is longer than the width stays whole. */
export function wrapWords(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
