// Reads TypeScript just far enough to trust a pattern on it: comments, strings, templates and regular expressions are taken
// out, lines stay where they were. (TypeScript 7 has no API in JavaScript that could do it.)

export interface Source {
  /** The text without comments; each string is `"n"`, n its place in `strings`. */
  readonly code: string;
  readonly strings: readonly string[];
}

interface Scanner {
  readonly text: string;
  readonly strings: string[];
  at: number;
  code: string;
}

/** Takes comments, strings, templates and regular expressions out of a source text. */
export function readSource(text: string): Source {
  const scanner: Scanner = { text, strings: [], at: 0, code: '' };
  while (scanner.at < text.length) readBlock(scanner);
  return { code: scanner.code, strings: scanner.strings };
}

/** Reads on behind the brace that closes what the caller opened, or to the end. */
function readBlock(scanner: Scanner): void {
  let depth = 0;
  while (scanner.at < scanner.text.length && depth >= 0) {
    const char = scanner.text[scanner.at];
    if (char === '{') depth++;
    if (char === '}') depth--;
    readOne(scanner);
  }
}

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
// A quote without its partner in the line is an apostrophe in TSX, not a string.
const STRING = /"((?:[^"\\\n]|\\[\s\S])*)"|'((?:[^'\\\n]|\\[\s\S])*)'/y;
const PATTERN = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
// Behind a value a slash divides; everywhere else it opens a regular expression.
const VALUE_BEFORE = /(?:[\w$)\]"]|\+\+|--)\s*$/;
const KEYWORD_BEFORE = /\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|instanceof|yield|await)\s*$/;

function readOne(scanner: Scanner): void {
  const comment = match(scanner, COMMENT);
  const string = match(scanner, STRING);
  const pattern = match(scanner, PATTERN);
  if (comment) replace(scanner, comment[0], ' ');
  else if (string) replace(scanner, string[0], name(scanner, string[1] ?? string[2] ?? ''));
  else if (scanner.text[scanner.at] === '`') readTemplate(scanner);
  else if (pattern && !isDivision(scanner.code.slice(-20))) replace(scanner, pattern[0], '""');
  else keep(scanner);
}

const isDivision = (before: string) => VALUE_BEFORE.test(before) && !KEYWORD_BEFORE.test(before);

/** A template: its text is a string, the code between `${` and `}` stays code. */
function readTemplate(scanner: Scanner): void {
  let from = ++scanner.at;
  const close = () => {
    const part = scanner.text.slice(from, scanner.at);
    scanner.code += name(scanner, part) + lineEnds(part);
  };
  while (scanner.at < scanner.text.length) {
    const char = scanner.text[scanner.at];
    if (char === '`') break;
    if (char === '\\') scanner.at++;
    if (char === '$' && scanner.text[scanner.at + 1] === '{') {
      close();
      scanner.at += 2;
      scanner.code += '+{';
      readBlock(scanner);
      scanner.code += '+';
      from = scanner.at;
    } else scanner.at++;
  }
  close();
  scanner.at++;
}

function match({ text, at }: Scanner, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function keep(scanner: Scanner): void {
  scanner.code += scanner.text[scanner.at] ?? '';
  scanner.at++;
}

function replace(scanner: Scanner, found: string, by: string): void {
  scanner.code += by + lineEnds(found);
  scanner.at += found.length;
}

const lineEnds = (text: string) => text.replace(/[^\n]/g, '');

function name({ strings }: Scanner, value: string): string {
  strings.push(value);
  return `"${strings.length - 1}"`;
}
