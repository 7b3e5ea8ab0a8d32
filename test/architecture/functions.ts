// Measures functions by their own lines: those of an inner function count for it and not for the one around it, because a
// factory that closes over its state is this house's class, and its inner functions are the methods.

import type { Source } from './source.ts';

export interface MeasuredFunction {
  readonly name: string;
  /** Where it begins, from 1. */
  readonly line: number;
  /** From its first line to its closing brace, without the functions inside. */
  readonly ownLines: number;
}

interface Span {
  readonly name: string;
  readonly first: number;
  readonly last: number;
}

/** Every function with a body in braces. */
export function functionsOf({ code }: Source): readonly MeasuredFunction[] {
  const spans = [...arrows(code), ...withKeyword(code), ...methods(code)];
  return spans.map((span) => {
    const inner = spans.filter((other) => other !== span && other.first > span.first && other.last < span.last);
    const outermost = inner.filter((one) => !inner.some((other) => other.first < one.first && one.last < other.last));
    const innerLines = outermost.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    return { name: span.name, line: span.first, ownLines: span.last - span.first + 1 - innerLines };
  });
}

function arrows(code: string): Span[] {
  return [...code.matchAll(/=>\s*(\{)/dg)].map((match) => {
    const start = code.lastIndexOf('\n', match.index) + 1;
    const named = /([\w$]+)\s*[=:]\s*(?:async\s*)?(?:\(|[\w$]+\s*=>)/.exec(code.slice(start, match.index + 2));
    return spanOf(code, named?.[1] ?? 'an arrow function', start, match.indices?.[1]?.[0] ?? match.index);
  });
}

const KEYWORD = /\bfunction\b\s*\*?\s*([\w$]*)\s*(?:<[^(]*>)?\(/g;

function withKeyword(code: string): Span[] {
  return [...code.matchAll(KEYWORD)].flatMap((match) => bodied(code, match));
}

const METHOD = /^[ \t]*(?:(?:async|static|override|private|public|get|set)\s+)*\*?(#?[\w$]+)\s*(?:<[^(]*>)?\(/gm;
const NOT_A_NAME = new Set(['if', 'for', 'while', 'switch', 'catch', 'return', 'function', 'await', 'super', 'import']);

function methods(code: string): Span[] {
  return [...code.matchAll(METHOD)].flatMap((match) => (NOT_A_NAME.has(match[1] ?? '') ? [] : bodied(code, match)));
}

function bodied(code: string, match: RegExpExecArray): Span[] {
  const brace = bodyBrace(code, match.index + match[0].length - 1);
  return brace === null ? [] : [spanOf(code, match[1] || 'a function', match.index, brace)];
}

/** The brace that opens the body behind a parameter list; null where the list belongs to a call or a signature. */
function bodyBrace(code: string, paren: number): number | null {
  const afterList = closing(code, paren) + 1;
  const typed = /^\s*:/.exec(code.slice(afterList, afterList + 80))?.[0] ?? '';
  for (let at = afterList + typed.length; at < code.length; at++) {
    const char = code[at] ?? '';
    // Behind one of these a brace opens a type, not the body.
    const opensType = typed !== '' && /(?:[:|&<,(]|=>)\s*$/.test(code.slice(Math.max(0, at - 40), at));
    if (char === '{' && !opensType) return at;
    if (char in PAIRS) at = closing(code, at);
    else if (typed === '' ? /\S/.test(char) : /[;)}\]]/.test(char)) return null;
  }
  return null;
}

function spanOf(code: string, name: string, start: number, brace: number): Span {
  return { name, first: lineAt(code, start), last: lineAt(code, closing(code, brace)) };
}

const PAIRS: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' };

/** Where the bracket at `open` is closed. */
function closing(code: string, open: number): number {
  const due: string[] = [];
  for (let at = open; at < code.length; at++) {
    const char = code[at] ?? '';
    const partner = PAIRS[char];
    if (partner !== undefined) due.push(partner);
    else if (char === due.at(-1)) due.pop();
    if (due.length === 0) return at;
  }
  return code.length;
}

function lineAt(code: string, at: number): number {
  let line = 1;
  for (let end = code.indexOf('\n'); end !== -1 && end < at; end = code.indexOf('\n', end + 1)) line++;
  return line;
}
