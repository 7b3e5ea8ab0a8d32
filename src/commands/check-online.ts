// The part of `check-config --online` that asks each vendor, and the words for what they say. Nothing that counts is sent.

import type { Config, Site } from '../core/settings.ts';
import { destinations } from '../destinations/index.ts';
import type { OnlineFinding } from '../destinations/online.ts';

export interface SiteFinding extends OnlineFinding {
  readonly site: string;
  readonly destination: string;
}

/** Asks for every configured destination of every site, one after the other. */
export async function askVendors(config: Config): Promise<readonly SiteFinding[]> {
  const findings: SiteFinding[] = [];
  for (const site of config.sites) findings.push(...(await askFor(site, config)));
  return findings;
}

async function askFor(site: Site, { delivery }: Config): Promise<readonly SiteFinding[]> {
  const findings: SiteFinding[] = [];
  for (const destination of destinations) {
    const settings = site.destinations.get(destination.id);
    if (settings === undefined) continue;
    const found = await destination.check(settings, delivery);
    findings.push(...found.map((one) => ({ site: site.id, destination: destination.id, ...one })));
  }
  return findings;
}

/** One line for a terminal. */
export function findingLine({ site, destination, subject, verdict, code, says }: SiteFinding): string {
  return `site ${site}, ${destination}, ${subject}: ${verdict}: ${says}${code === null ? '' : ` (${code})`}`;
}
