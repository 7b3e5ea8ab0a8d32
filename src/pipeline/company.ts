// Which jobs leave in one request: those of one site, whole runs of a lane together, no company larger than any member may
// be sent in.

import type { Claim, LaneRun } from '../core/ports.ts';

export interface Company {
  readonly site: string;
  readonly claims: readonly Claim[];
}

/**
 * Divides lane runs into companies. A run is never divided over two companies, which would leave at the same time: what
 * does not fit of it is given back.
 */
export function formCompanies(
  runs: readonly LaneRun[],
  batchMax: (site: string) => number,
  giveBack: (claim: Claim) => void,
): readonly Company[] {
  const done: Company[] = [];
  const open = new Map<string, Claim[]>();
  for (const run of runs) {
    const [head] = run;
    if (head === undefined) continue;
    const cap = capOf(run, batchMax(head.site));
    const fitting = run.slice(0, cap);
    for (const claim of run.slice(cap)) giveBack(claim);
    const company = open.get(head.site) ?? [];
    if (company.length > 0 && company.length + fitting.length > Math.min(cap, capOf(company, batchMax(head.site)))) {
      done.push({ site: head.site, claims: company });
      open.set(head.site, [...fitting]);
    } else {
      company.push(...fitting);
      open.set(head.site, company);
    }
  }
  for (const [site, claims] of open) done.push({ site, claims });
  return done;
}

function capOf(claims: readonly Claim[], batchMax: number): number {
  return Math.max(
    1,
    claims.reduce((cap, { batchCap }) => Math.min(cap, batchCap ?? cap), batchMax),
  );
}
