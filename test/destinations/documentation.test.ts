import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { META_EVENTS } from '../../src/destinations/event-names.ts';
import { KLAVIYO_STATUSES } from '../../src/destinations/klaviyo-errors.ts';
import { META_ERRORS } from '../../src/destinations/meta-errors.ts';
import { META_FIELDS } from '../../src/destinations/meta-fields.ts';

const page = readFileSync('docs/destinations.md', 'utf8');
const section = (title: string) => page.split('\n## ').find((part) => part.startsWith(title)) ?? '';

/** The row of a table that begins with a number, as text. */
function rowOf(title: string, number: string): string | undefined {
  const rows = section(title)
    .split('\n')
    .filter((line) => line.startsWith('| '));
  return rows.find((row) => new RegExp(`[ |]${number}(?![\\d./])`).test(row.split('|')[1] ?? ''));
}

const WORDS = {
  accepted: /accepted/,
  transient: /retries/,
  throttled: /account rests/,
  misconfigured: /pauses/,
  refused: /refused/,
} as const;

test.each(META_ERRORS.map(({ code, subcode, class: kind }) => [[code].flat().join('–'), subcode, kind] as const))(
  'Meta\u2019s error %s %s stands on the page as %s',
  (code, subcode, kind) => {
    const shown = code === '1–2' ? '1, 2' : code === '80003–80004' ? '80003, 80004' : code;
    const number = subcode === undefined ? shown : `${shown}/${subcode}`;
    expect(rowOf('Meta: each answer', number)?.split('|')[3]).toMatch(WORDS[kind]);
  },
);

test.each(
  KLAVIYO_STATUSES.flatMap(({ status, class: kind }) =>
    [status]
      .flat()
      .filter((one) => one >= 202 && one < 499)
      .map((one) => [one, kind] as const),
  ),
)('Klaviyo\u2019s status %i stands on the page as %s', (status, kind) => {
  expect(rowOf('Klaviyo: each answer', String(status))).toMatch(WORDS[kind]);
});

test('every event and every field that a site can choose is named', () => {
  const fields = section('Which fields leave');
  for (const field of META_FIELDS) expect(fields).toContain(`\`${field}\``);
  const events = section('Which event becomes what');
  for (const name of Object.keys(META_EVENTS)) expect(events).toMatch(new RegExp(`\\b${name}\\b`));
});

test.each(['meta-event.ts', 'klaviyo-event.ts'])('every reason of %s for sending nothing is explained', (file) => {
  const source = readFileSync(`src/destinations/${file}`, 'utf8');
  const codes = [...source.matchAll(/^ {2}\| '((?:meta|klaviyo)\.\w+)'|'(klaviyo\.\w+)'/gm)].map(
    (match) => match[1] ?? match[2] ?? '',
  );
  expect(codes.length).toBeGreaterThan(1);
  for (const code of codes.filter((one) => !one.endsWith('.not_mapped'))) expect(page).toContain(`\`${code}\``);
});
