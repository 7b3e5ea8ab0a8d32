// Proves that the log is whole: leaves, batches, chain, and what the entries commit to. Whoever altered, removed, moved or
// added anything is told on, with the place. Pure: the rows are arguments (docs: compliance, "tamper evidence").

import { commitment, type LogEntry, leafHash } from '../core/ledger.ts';
import type { Finding, FindingCode, Listener, StoredEntry, StoredLog } from './log-check.ts';
import { createBatchWalk } from './verify-batches.ts';
import { checkPolicies } from './verify-policies.ts';

/** What was checked. */
export interface VerifySummary {
  readonly chain: string | null;
  readonly entries: number;
  readonly batches: number;
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  /** Hash of the newest batch as hex: kept elsewhere it proves later that the log was not rewritten. */
  readonly head: string | null;
  readonly evidence: { readonly checked: number; readonly erased: number };
  readonly subjectLinks: { readonly checked: number; readonly erased: number };
}

/** Checks a log from end to end. Memory does not grow with it. */
export async function verifyLog(log: StoredLog, listener: Listener): Promise<VerifySummary> {
  const [chain = null] = log.chains;
  if (log.chains.length > 1) {
    listener.finding(nowhere('chain.not_one', `the log has ${log.chains.length} chains (${log.chains.join(', ')})`));
  }
  const policies = checkPolicies(log.policies, listener);
  const walk = createBatchWalk({ chain: chain ?? '', batches: log.batches, listener });
  const commitments = { evidence: { checked: 0, erased: 0 }, subjectLinks: { checked: 0, erased: 0 } };
  let [entries, firstSeq, lastSeq]: [number, number | null, number | null] = [0, null, null];
  for await (const page of log.entries) {
    for (const stored of page) {
      const leaf = checkLeaf(stored, listener);
      checkCommitments(stored, commitments, listener);
      policies.use(stored.entry);
      if (!walk.take(stored.entry.seq, leaf)) await walk.advance(stored.entry.seq, leaf);
    }
    entries += page.length;
    firstSeq ??= page[0]?.entry.seq ?? null;
    lastSeq = page.at(-1)?.entry.seq ?? lastSeq;
    listener.progress?.(entries);
  }
  const { batches, head } = await walk.end();
  await checkEvidence(log.evidence, listener);
  await checkStrayLinks(log.strayLinks, listener);
  return { chain, entries, batches, firstSeq, lastSeq, head, ...commitments };
}

/** The leaf that the entry comes to; null where it is not the stored one. */
function checkLeaf({ entry, leaf, unread }: StoredEntry, { finding }: Listener): Uint8Array | null {
  const at = (code: FindingCode, what: string): null => {
    finding({ code, firstSeq: entry.seq, lastSeq: entry.seq, batch: null, what: `entry ${entry.seq} ${what}` });
    return null;
  };
  if (unread.length > 0)
    return at('entry.unreadable', `names no known ${unread.join(', ')}: it or the dictionary was changed`);
  const computed = hashOrNull(entry);
  if (computed === null) return at('entry.changed', 'holds a value that no entry can hold: it was changed');
  if (computed.equals(leaf)) return computed;
  return at('entry.changed', 'does not match its leaf hash: it was changed after it was written');
}

function hashOrNull(entry: LogEntry): Buffer | null {
  try {
    return leafHash(entry);
  } catch (error) {
    // Too long, or a number beyond 64 bits: nothing that was ever hashed.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

interface Tally {
  checked: number;
  erased: number;
}

function checkCommitments(
  { entry, evidenceCommitment, link }: StoredEntry,
  tally: { readonly evidence: Tally; readonly subjectLinks: Tally },
  { finding }: Listener,
): void {
  const { seq } = entry;
  const at = (code: FindingCode, what: string) => finding({ code, firstSeq: seq, lastSeq: seq, batch: null, what });
  if (entry.evidence_commit !== null) {
    tally.evidence[evidenceCommitment === null ? 'erased' : 'checked'] += 1;
    if (evidenceCommitment !== null && !isSame(evidenceCommitment, entry.evidence_commit)) {
      at('evidence.changed', `the evidence of entry ${seq} is not the one that the decision was made on`);
    }
  }
  if (entry.subject_commit !== null) {
    tally.subjectLinks[link === null ? 'erased' : 'checked'] += 1;
    if (link !== null && !isSame(commitment(link.salt, link.refs), entry.subject_commit)) {
      at('subject_link.changed', `the subject link of entry ${seq} was changed after it was written`);
    }
  }
}

async function checkEvidence(pages: StoredLog['evidence'], { finding }: Listener): Promise<void> {
  for await (const page of pages) {
    for (const row of page) {
      if (isSame(commitment(row.salt, Buffer.from(row.body, 'utf8')), row.commitment)) continue;
      finding(nowhere('evidence.changed', `evidence ${row.id} does not match its commitment: it was changed`));
    }
  }
}

async function checkStrayLinks(pages: StoredLog['strayLinks'], { finding }: Listener): Promise<void> {
  for await (const page of pages) {
    for (const seq of page) {
      const what = `a subject link names entry ${seq}, which commits to no subject: it was added`;
      finding({ code: 'subject_link.stray', firstSeq: seq, lastSeq: seq, batch: null, what });
    }
  }
}

function nowhere(code: FindingCode, what: string): Finding {
  return { code, firstSeq: null, lastSeq: null, batch: null, what };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
