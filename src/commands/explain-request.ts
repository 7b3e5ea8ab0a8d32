// Gives a raw HTTP/1.1 message to the very application that listens to the public, with an intake behind it that explains
// instead of storing: what is read, refused and decided is what the server would read, refuse and decide.

import { createSecretKey, randomBytes } from 'node:crypto';
import { duplexPair } from 'node:stream';
import { carriersOf } from '../consent/carriers.ts';
import { collectEvidence, countryHints } from '../consent/index.ts';
import type { EvidenceBundle } from '../core/consent.ts';
import { CannotRun } from '../core/errors.ts';
import { deriveKeys } from '../core/identity.ts';
import type { AcceptedVerdict, Candidate, ConsentChange, Intake } from '../core/ports.ts';
import type { Config, Site } from '../core/settings.ts';
import { createCollectApp } from '../http/app.ts';
import type { HttpMetrics } from '../http/metrics.ts';
import { boundedServer } from '../http/server.ts';
import { createConsentChange } from '../pipeline/consent-change.ts';
import type { EvidenceParts, RequestContext } from '../pipeline/evidence.ts';
import { createIngest } from '../pipeline/ingest.ts';
import type { CountryOf } from '../region-database.ts';
import { browser } from '../sources/browser.ts';
import { readConsentReport } from '../sources/consent-report.ts';
import { createIds } from '../system.ts';
import { decideFor, STORE_NOT_READ } from './explain-event.ts';
import type { Explained, Explanation } from './explanation.ts';

/** What the peer would have shown; `site` is the one of a message without an Origin. */
export interface ShownRequest {
  readonly config: Config;
  readonly site: Site | null;
  readonly atMs: number;
  readonly ip: string | null;
  readonly country: string | null;
  /** The configured region database; null = none. */
  readonly countryOf: CountryOf | null;
}

export interface ExplainedRequest {
  /** `POST /collect`. */
  readonly line: string;
  readonly answer: { readonly status: number; readonly body: string; readonly cookies: readonly string[] };
  readonly explanations: readonly Explanation[];
  readonly notes: readonly string[];
}

/**
 * Explains a message: request line, headers, an empty line, body.
 * @throws CannotRun for what is no HTTP/1.1 message
 */
export async function explainRequest(bytes: Buffer, shown: ShownRequest): Promise<ExplainedRequest> {
  const message = readMessage(bytes, shown.site);
  const explanations: Explanation[] = [];
  const app = explainingApp(shown, explanations);
  const text = await exchange(boundedServer(app, shown.config.limits), message.bytes, shown.ip ?? UNKNOWN_PEER);
  return {
    line: message.line,
    answer: readAnswer(text),
    explanations,
    notes: [...notesOn(message, shown), ...(explanations.length === 0 ? ['nothing was decided'] : [])],
  };
}

/** No address that anybody has or trusts. */
const UNKNOWN_PEER = '0.0.0.0';

interface Message {
  readonly line: string;
  readonly headers: readonly string[];
  readonly bytes: Buffer;
}

const REQUEST_LINE = /^([A-Z]+ \S+) HTTP\/1\.1$/;

/** Mends what an editor does to a saved message (line ends, length) and adds what stands for the peer. */
function readMessage(bytes: Buffer, site: Site | null): Message {
  const end = /\r?\n\r?\n/.exec(bytes.toString('latin1'));
  const at = end?.index ?? bytes.length;
  const body = end === null ? Buffer.alloc(0) : bytes.subarray(at + end[0].length);
  const [first = '', ...headers] = bytes.toString('latin1', 0, at).split(/\r?\n/);
  const line = REQUEST_LINE.exec(first)?.[1];
  if (line === undefined)
    throw new CannotRun('this is no HTTP/1.1 message: it must begin with a line such as POST /collect HTTP/1.1');
  const has = (name: string) => headers.some((header) => header.toLowerCase().startsWith(`${name}:`));
  const isChunked = has('transfer-encoding');
  const kept = headers.filter((header) => isChunked || !/^content-length:/i.test(header));
  const added = [
    ...(has('host') ? [] : ['Host: explain']),
    ...(site === null || has('origin') || has('authorization') ? [] : [`Origin: ${originOf(site)}`]),
    ...(isChunked ? [] : [`Content-Length: ${body.length}`]),
    'Connection: close',
  ];
  const head = [first, ...kept.filter((header) => !/^connection:/i.test(header)), ...added, '', ''].join('\r\n');
  return { line, headers, bytes: Buffer.concat([Buffer.from(head, 'latin1'), body]) };
}

function originOf({ id, origins: [origin] }: Site): string {
  if (origin !== undefined) return origin;
  throw new CannotRun(`the site ${id} lists no origin: give the message an Authorization header with its server token`);
}

function explainingApp(shown: ShownRequest, explanations: Explanation[]) {
  const { config, atMs, country } = shown;
  const intake = explainingIntake(shown, explanations);
  const epochKey = createSecretKey(randomBytes(32));
  const ids = createIds();
  const evidence: EvidenceParts = {
    keys: deriveKeys(randomBytes(32)),
    epochKey: () => epochKey,
    collectEvidence,
    hintsOf: countryHints,
    countryOf: shown.countryOf ?? (() => null),
  };
  const [ingest, changeConsent] = [
    createIngest({ ...evidence, intake, ids }),
    createConsentChange({ ...evidence, intake }),
  ];
  // A message proves nothing of who sent it: --country is what a trusted proxy would have named.
  const seen = (context: RequestContext): RequestContext =>
    context.origin === null ? context : { ...context, proxyCountry: country, clientIp: shown.ip };
  return createCollectApp({
    config: { ...config, region: { ...config.region, header: null } },
    source: browser,
    readConsentReport,
    ingest: (context, result) => ingest(seen(context), result),
    changeConsent: (context, report) => changeConsent(seen(context), report),
    carriersOf,
    script: () => null,
    metrics: SILENT,
    clock: () => atMs,
    ids,
    draining: () => false,
    log: {
      error(_message, { error }) {
        throw error;
      },
    },
  });
}

const SILENT: HttpMetrics = {
  received() {},
  rejected() {},
  decided() {},
  counts: () => (_req, _res, next) => next(),
  text: async () => '',
  contentType: 'text/plain',
};

function explainingIntake(shown: ShownRequest, explanations: Explanation[]): Pick<Intake, 'accept' | 'changeConsent'> {
  return {
    async accept(candidates) {
      return candidates.map((candidate) => {
        const explanation = explainCandidate(candidate, shown);
        explanations.push(explanation);
        return { duplicate: false, verdicts: explanation.explained.map(verdictOf) };
      });
    },
    async changeConsent(change) {
      const explanation = explainChange(change, shown);
      explanations.push(explanation);
      return { verdicts: explanation.explained.map(verdictOf), cancelled: 0 };
    },
  };
}

function explainCandidate(candidate: Candidate, { config, atMs }: ShownRequest): Explanation {
  const site = siteOf(config, candidate.site);
  const { name, eventId, source, trust, timeMs, objections, region } = candidate;
  const bundle: EvidenceBundle = JSON.parse(candidate.evidence);
  return {
    event: { name, eventId, source, trust },
    site: site.id,
    policy: site.policy,
    region,
    atMs,
    bundle,
    explained: decideFor({ name, objections }, { site, atMs, timeMs, bundle, region }),
    logged: null,
    notes: [],
  };
}

/** A state concerns consent alone: whatever else could forbid an event is no part of it. */
function explainChange(change: ConsentChange, { config, atMs }: ShownRequest): Explanation {
  const site = siteOf(config, change.site);
  const { region } = change;
  const bundle: EvidenceBundle = JSON.parse(change.evidence);
  const explained = decideFor({ name: '', objections: [] }, { site, atMs, timeMs: atMs, bundle, region });
  return {
    event: null,
    site: site.id,
    policy: site.policy,
    region,
    atMs,
    bundle,
    explained: explained.map(({ decision, rules }) => ({
      rules,
      decision: {
        ...decision,
        verdict: decision.consentPermits ? 'permit' : 'drop',
        reason: decision.consentReason,
      },
    })),
    logged: null,
    notes: [],
  };
}

function siteOf({ sites }: Config, id: string): Site {
  const site = sites.find((one) => one.id === id);
  if (site === undefined) throw new Error('the application named a site that is not configured');
  return site;
}

function verdictOf({ decision }: Explained): AcceptedVerdict {
  const { destination, verdict, reason, consentPermits } = decision;
  return { destination, verdict, reason, consentPermits };
}

/** One exchange over a connection that exists in memory only. */
async function exchange(server: ReturnType<typeof boundedServer>, request: Buffer, peer: string): Promise<string> {
  const [client, connection] = duplexPair();
  server.emit('connection', Object.assign(connection, { remoteAddress: peer }));
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  client.write(request);
  await new Promise<void>((resolve, reject) => client.once('end', resolve).once('error', reject));
  return Buffer.concat(chunks).toString('utf8');
}

function readAnswer(text: string): ExplainedRequest['answer'] {
  const at = text.indexOf('\r\n\r\n');
  const [line = '', ...headers] = text.slice(0, at).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1]);
  const cookies = headers.flatMap((header) => /^set-cookie: (.*)$/i.exec(header)?.[1] ?? []);
  return { status, body: text.slice(at + 4), cookies };
}

function notesOn({ headers }: Message, { config, country, ip, countryOf }: ShownRequest): readonly string[] {
  const { header } = config.region;
  const hasHeader =
    header !== null && headers.some((line) => line.toLowerCase().startsWith(`${header.toLowerCase()}:`));
  return [
    STORE_NOT_READ,
    ...(hasHeader
      ? [
          `the header ${header} of the message was not used: it counts from a trusted proxy alone, whose word is --country` +
            (country === null ? ' (not given: unknown)' : ''),
        ]
      : []),
    ...(ip === null || countryOf !== null ? [] : ['--ip decides nothing: no region database is configured']),
  ];
}
