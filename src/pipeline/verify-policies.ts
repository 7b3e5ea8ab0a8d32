// The policies that the log cites: each stored version must be what its reference says, and none may be missing.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { LogEntry } from '../core/ledger.ts';
import type { Listener, StoredLog } from './log-check.ts';

export interface PolicyUse {
  /** Notes the policy that an entry cites. */
  use(entry: LogEntry): void;
}

/** Checks the stored policies, and each entry's reference as it comes by. */
export function checkPolicies(policies: StoredLog['policies'], { finding }: Listener): PolicyUse {
  const known = new Set(policies.map(({ ref }) => ref));
  for (const { ref, content } of policies) {
    if (refOf(content) === ref) continue;
    const what = `the stored policy ${ref} is not the one of that name: it was changed`;
    finding({ code: 'policy.changed', firstSeq: null, lastSeq: null, batch: null, what });
  }
  return {
    use({ policy, seq }) {
      if (policy === null || known.has(policy)) return;
      known.add(policy);
      const what = `entry ${seq} cites the policy ${policy}, which is not stored`;
      finding({ code: 'policy.missing', firstSeq: seq, lastSeq: seq, batch: null, what });
    },
  };
}

const named = z.object({ id: z.string() });

// The text that is kept is the text that was hashed (core/policy-file): no schema of today judges a version of then.
function refOf(content: string): string | null {
  try {
    const { id } = named.parse(JSON.parse(content));
    return `${id}@${createHash('sha256').update(content).digest('hex').slice(0, 16)}`;
  } catch {
    return null;
  }
}
