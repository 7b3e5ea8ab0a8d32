// `sluice demo`: the main job on one screen. Visitors buy in a sample shop, Meta and Klaviyo are stand-ins, all of it is checked.

import { relative } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { brokenPromises } from '../demo/promises.ts';
import { type Addresses, describeAddresses, describeRun, type Run, runAsJson } from '../demo/report.ts';
import { type Played, playVisitors } from '../demo/scenario.ts';
import { MAX_WAIT_MS } from '../demo/settings.ts';
import { visitorsAt } from '../demo/visitors.ts';
import { systemClock } from '../system.ts';
import { type DemoHouse, META_LATENCY_MS, openDemoHouse } from './demo-house.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

const EXAMPLE = `
Without --once it stays up afterwards, with a shop page to click through, until Ctrl-C.
Exit codes: 0 all was as promised, 1 it was not (one line for each broken promise), 2 it could not run.

Examples:
  sluice demo
  sluice demo --once --json | jq '.rows[] | {visitor, left}'`;

/** Adds the command to the program. */
export function registerDemo(program: Command, io: CommandIo): void {
  program
    .command('demo')
    .description(
      'watch it work: visitors with and without consent, an outage of Meta, a withdrawal; all on this machine',
    )
    .option('--once', 'run the checks and end')
    .option('--json', 'print the rows as JSON')
    .addHelpText('after', EXAMPLE)
    .action(async (_own, command: Command) => {
      try {
        io.exit(await demonstrate(options.parse(command.optsWithGlobals()), io));
      } catch (error) {
        reportFailure(io, error);
      }
    });
}

const options = z.object({ once: z.boolean().default(false), json: z.boolean().default(false) });

const WIDEST = 120;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** @returns the exit code */
async function demonstrate(given: z.infer<typeof options>, io: CommandIo): Promise<0 | 1> {
  const ending = new AbortController();
  let failure: string | null = null;
  const end = () => ending.abort();
  for (const signal of SIGNALS) process.once(signal, end);
  const releases: (() => unknown)[] = [];
  try {
    io.stderr('demo: starting Sluice, stand-ins for Meta and Klaviyo, and a sample shop\n');
    const house = await openDemoHouse(releases, (reason) => {
      failure = reason;
      end();
    });
    const isKept = await show(house, given, { io, signal: ending.signal });
    return isKept && failure === null ? 0 : 1;
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    io.stderr(`demo: ${failure ?? 'interrupted before its checks had ended'}\n`);
    return 1;
  } finally {
    for (const release of releases.reverse()) await release();
    for (const signal of SIGNALS) process.off(signal, end);
  }
}

interface Viewer {
  readonly io: CommandIo;
  readonly signal: AbortSignal;
}

/** Plays, prints, and stays while somebody looks. @returns whether every promise was kept */
async function show(house: DemoHouse, { once, json }: z.infer<typeof options>, viewer: Viewer): Promise<boolean> {
  const { io, signal } = viewer;
  const look = { width: Math.min(process.stdout.columns ?? WIDEST, WIDEST), color: io.color };
  const run = await playAndCheck(house, viewer);
  io.stdout(json ? `${JSON.stringify(runAsJson(run), null, 2)}\n` : describeRun(run, look));
  if (once) return run.broken.length === 0;
  const text = describeAddresses(addressesOf(house, io), look);
  if (json) io.stderr(text);
  else io.stdout(text);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
  io.stderr('\ndemo: ending\n');
  return run.broken.length === 0;
}

function addressesOf({ shop, server, folder }: DemoHouse, io: CommandIo): Addresses {
  return {
    shop: shop.url,
    script: scriptOf({ server }),
    metrics: `${server.urls.ops}/metrics`,
    verifyCommand: `node ${ownPath(io)} verify-log --order --config ${folder.configFile}`,
  };
}

function scriptOf({ server }: Pick<DemoHouse, 'server'>): string {
  return server.urls.collect + server.config.listen.collect.paths.script;
}

function ownPath({ cwd }: CommandIo): string {
  return relative(cwd, process.argv[1] ?? 'dist/cli.js');
}

async function playAndCheck(house: DemoHouse, { io, signal }: Viewer): Promise<Run> {
  const { server, shop, meta, klaviyo, log } = house;
  const startedMs = performance.now();
  const stage = {
    collectUrl: server.urls.collect,
    origin: shop.url,
    meta,
    klaviyo,
    logged: async (id: string) => (await log.events()).find(({ eventId }) => eventId === id) ?? null,
    nowMs: systemClock,
    progress: (text: string) => io.stderr(`demo: ${text}\n`),
    signal,
  };
  const played = await playVisitors(stage, visitorsAt(systemClock()));
  stage.progress('checking the log');
  const verification = await log.verify();
  return {
    rows: played.map(({ row }) => row),
    broken: [
      ...played.flatMap(brokenBy),
      ...vendorsBroken(house),
      ...(await pagesBroken(house)),
      ...verification.findings.map((what) => `the log: ${what}`),
      ...(verification.open === 0 ? [] : [`the log: ${verification.open} permits have not ended`]),
    ],
    verification,
    maxWaitMs: MAX_WAIT_MS,
    metaLatencyMs: META_LATENCY_MS,
    durationMs: performance.now() - startedMs,
  };
}

function brokenBy({ visitor, row, missed }: Played): readonly string[] {
  return [...missed, ...brokenPromises(visitor, row, MAX_WAIT_MS)];
}

/** What the stand-ins hold against us: a vendor's rule, the order, or something that was never to be sent. */
function vendorsBroken({ meta, klaviyo }: DemoHouse): readonly string[] {
  const lines = (vendor: string, violations: ReturnType<typeof meta.violations>) =>
    violations.map(({ rule, n, detail }) => `${vendor}, request ${n}: ${detail} (${rule})`);
  return [...lines('Meta', meta.violations()), ...lines('Klaviyo', klaviyo.violations())];
}

/** The shop's page, and the script that it loads. */
async function pagesBroken(house: DemoHouse): Promise<readonly string[]> {
  const script = scriptOf(house);
  const [page, loaded] = await Promise.all([fetch(house.shop.url), fetch(script)]);
  const html = await page.text();
  await loaded.text();
  return [
    ...(page.status === 200 && html.includes(script) ? [] : ['the shop page does not load the script']),
    ...(loaded.status === 200 ? [] : [`${script} answers ${loaded.status}: was the program built (npm run build)?`]),
  ];
}
