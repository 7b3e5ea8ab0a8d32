// `sluice check-config`: every mistake of the configuration at once, and what it comes to when there is none.

import type { Command } from 'commander';
import { z } from 'zod';
import { ConfigError } from '../config/mistake.ts';
import { loadConfig } from '../config.ts';
import { policyHints } from '../consent/policy-hints.ts';
import { CannotRun } from '../core/errors.ts';
import type { Config, Listener, Site } from '../core/settings.ts';
import { destinations } from '../destinations/index.ts';
import { askVendors, findingLine, type SiteFinding } from './check-online.ts';
import type { CommandIo } from './io.ts';

const EXAMPLE = `
Examples:
  sluice check-config --config /etc/sluice/sluice.yaml
  sluice check-config --online        ask Meta and Klaviyo whether they accept tokens, datasets and revision
  SLUICE_LOG__LEVEL=debug sluice check-config --json`;

/** Adds the command to the program. */
export function registerCheckConfig(program: Command, io: CommandIo): void {
  program
    .command('check-config')
    .description('read the configuration and name every mistake: file, line, key and the nearest right key')
    .option('--config <file>', 'the configuration file (default: SLUICE_CONFIG, else the packaged one)')
    .option('--json', 'print the result as JSON')
    .option('--online', 'ask each destination as well; nothing that counts is sent')
    .addHelpText('after', EXAMPLE)
    .action((_own, command: Command) => checkConfig(options.parse(command.optsWithGlobals()), io));
}

const options = z.object({
  config: z.string().optional(),
  json: z.boolean().default(false),
  online: z.boolean().default(false),
});

async function checkConfig({ config: file, json, online }: z.infer<typeof options>, io: CommandIo): Promise<void> {
  try {
    const config = loadConfig(file, { env: io.env, destinations });
    const findings = online ? await askVendors(config) : null;
    report({ config, findings }, io, json ? 'json' : 'text');
    io.exit(findings?.some(({ verdict }) => verdict !== 'accepted') === true ? 1 : 0);
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error;
    const mistakes = error instanceof ConfigError ? error.mistakes : [];
    if (json) io.stdout(`${JSON.stringify({ ok: false, error: error.message, mistakes }, null, 2)}\n`);
    else io.stderr(`${error.message}\n${mistakes.length > 0 ? `${count(mistakes.length, 'mistake')}\n` : ''}`);
    io.exit(2);
  }
}

interface Checked {
  readonly config: Config;
  /** Null where nobody was asked. */
  readonly findings: readonly SiteFinding[] | null;
}

function report({ config, findings }: Checked, io: CommandIo, form: 'text' | 'json'): void {
  const hints = hintsOf(config);
  if (form === 'json') {
    const whole = {
      ok: true,
      file: config.file,
      listen: listenersOf(config),
      sites: config.sites.map(describeSite),
      hints,
      ...(findings === null ? {} : { online: findings }),
    };
    io.stdout(`${JSON.stringify(whole, null, 2)}\n`);
    return;
  }
  for (const hint of hints) io.stderr(`hint: ${hint}\n`);
  const listeners = Object.entries(listenersOf(config)).map(([name, place]) => `${name} ${place}`);
  const sites = config.sites.map((site) => `  ${siteLine(describeSite(site))}`);
  const asked = (findings ?? []).map((finding) => `  ${findingLine(finding)}`);
  io.stdout([`${config.file} is good`, `  listeners: ${listeners.join(', ')}`, ...sites, ...asked, ''].join('\n'));
}

function listenersOf({ listen }: Config): Readonly<Record<string, string>> {
  const place = ({ host, port }: Listener) => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { collect: place(listen.collect), console: place(listen.console), ops: place(listen.ops) };
}

interface SiteSummary {
  readonly id: string;
  readonly origins: number;
  readonly policy: string;
  readonly purchases: string;
  readonly destinations: readonly string[];
}

function describeSite({ id, origins, policy, purchases, destinations: configured }: Site): SiteSummary {
  return { id, origins: origins.length, policy: policy.ref, purchases, destinations: [...configured.keys()] };
}

function siteLine({ id, origins, policy, purchases, destinations: configured }: SiteSummary): string {
  const ways = configured.length === 0 ? 'no destination' : configured.join(' then ');
  return `site ${id}: ${count(origins, 'origin')}, policy ${policy}, purchases from ${purchases}, ${ways}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** What is allowed and perhaps not meant. */
function hintsOf(config: Config): readonly string[] {
  const { listen, region } = config;
  const unheard = region.header !== null && listen.trustedProxies.length === 0;
  return [
    ...(unheard
      ? [`region.header ${region.header} is honoured only from listen.trustedProxies, and that is empty`]
      : []),
    ...config.sites.flatMap((site) => siteHints(site).map((hint) => `site ${site.id}: ${hint}`)),
  ];
}

function siteHints(site: Site): readonly string[] {
  const { destinations: configured, origins, serverTokens } = site;
  const silent =
    configured.size === 0 ? ['no destination is configured: events are decided and logged, nothing is sent'] : [];
  const closed = origins.length + serverTokens.length === 0;
  const deaf = closed ? ['neither origins nor serverTokens are set: no browser and no server can send events'] : [];
  const lonely =
    configured.has('klaviyo') && !configured.has('meta')
      ? ['klaviyo is configured without meta: capi_status will always be skipped']
      : [];
  return [...silent, ...deaf, ...lonely, ...testCodeHints(site), ...policyHints(site.policy)];
}

const withTestCode = z.looseObject({ testEventCode: z.string() });

function testCodeHints({ destinations: configured }: Site): readonly string[] {
  return [...configured]
    .filter(([, settings]) => withTestCode.safeParse(settings).success)
    .map(([id]) => `${id}.testEventCode is set: every event is sent as a test event`);
}
