// `sluice export decisions|deliveries`: the log as one JSON object a line, or as CSV, for whoever must answer what left and why.

import { once } from 'node:events';
import { Argument, type Command, Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import { CannotRun } from '../core/errors.ts';
import { type DecisionRow, type DeliveryRow, type LogFilter, openQueries } from '../store/queries.ts';
import { withLog } from '../store/read.ts';
import { databaseFileOf, readMoment } from './database.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

const EXAMPLE = `
Examples:
  sluice export decisions --from 2026-11-01 --to 2026-12-01 > november.ndjson
  sluice export deliveries --site shop | grep '"outcome":"refused"'
  sluice export decisions --format csv > decisions.csv`;

const TABLES = ['decisions', 'deliveries'] as const;
const FORMATS = ['ndjson', 'csv'] as const;
/** The columns of a CSV, which stand there also where the log is empty (contract section 7). */
const COLUMNS: Readonly<Record<(typeof TABLES)[number], readonly string[]>> = {
  decisions: (
    'seq,time,site,source,event_id,event_name,destination,verdict,reason,region,region_basis,signals,' +
    'purposes_required,purposes_granted,policy_id,trust,subject_ref,chain'
  ).split(','),
  deliveries: (
    'seq,time,site,event_id,event_name,destination,outcome,attempt,http_status,code,trace_id,decision_seq,' +
    'decision_chain,started_seq,chain'
  ).split(','),
};

/** Adds the command to the program. */
export function registerExport(program: Command, io: CommandIo): void {
  program
    .command('export')
    .description('print every decision or delivery of the log, oldest first')
    .addArgument(new Argument('<what>', 'what to print').choices(TABLES))
    .option('--from <time>', 'from this date or time on (ISO 8601; included)')
    .option('--to <time>', 'up to this date or time (ISO 8601; not included)')
    .option('--site <id>', 'of this site only')
    .addOption(new Option('--format <format>', 'how to print it').choices(FORMATS).default('ndjson'))
    .option('--json', 'the same as --format ndjson')
    .option('--config <file>', 'the configuration file (default: SLUICE_CONFIG, else the packaged one)')
    .addHelpText('after', EXAMPLE)
    .action(async (what: unknown, _own, command: Command) => {
      try {
        await exportLog(z.enum(TABLES).parse(what), options.parse(command.optsWithGlobals()), io);
        io.exit(0);
      } catch (error) {
        reportFailure(io, error);
      }
    });
}

const options = z.object({
  from: z.string().optional(),
  to: z.string().optional(),
  site: z.string().optional(),
  format: z.enum(FORMATS),
  config: z.string().optional(),
});
type Options = z.infer<typeof options>;

async function exportLog(what: (typeof TABLES)[number], given: Options, io: CommandIo): Promise<void> {
  const filter = filterOf(given);
  await withLog(databaseFileOf(given.config, io), async (store) => {
    const queries = await openQueries(store);
    const write = given.format === 'csv' ? csvOf(COLUMNS[what]) : ndjson;
    if (given.format === 'csv') io.stdout(stringify([COLUMNS[what]]));
    for await (const rows of queries[what](filter)) {
      io.stdout(write(rows));
      await drained();
    }
  });
}

type Row = DecisionRow | DeliveryRow;

function ndjson(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

// A spreadsheet runs what begins with = + - or @: such text is quoted away (OWASP, CSV injection).
function csvOf(columns: readonly string[]): (rows: readonly Row[]) => string {
  return (rows) =>
    stringify([...rows], {
      columns: [...columns],
      escape_formulas: true,
      cast: { object: (value) => JSON.stringify(value) },
    });
}

function filterOf({ from, to, site }: Options): LogFilter {
  const fromMs = from === undefined ? undefined : readMoment('--from', from);
  const toMs = to === undefined ? undefined : readMoment('--to', to);
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs) throw new CannotRun('--from is later than --to');
  return {
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
    ...(site === undefined ? {} : { site }),
  };
}

// A slow reader must not make us hold the log in memory, and one that went away must be heard of before the next page.
async function drained(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  await new Promise(setImmediate);
}
