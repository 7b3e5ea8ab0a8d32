// Global Privacy Control (https://w3c.github.io/gpc/): the browser's opt-out of sale and sharing. US state laws give it
// effect; in a regulated region it has none of its own and is only recorded.

import type { ConsentSignal } from '../core/consent.ts';

export type GpcEvidence = { readonly gpc: true };

export const gpc: ConsentSignal<GpcEvidence> = {
  name: 'gpc',
  decode: (raw) => (raw.gpc === true ? { gpc: true } : null),
  judge(_evidence, { region, note }) {
    const decides = region !== 'regulated';
    const required = decides ? 'no opt-out' : 'nothing in a regulated region';
    note?.({ signal: 'gpc', rule: 'opt_out', required, found: 'opt-out', holds: !decides });
    return { result: decides ? 'denied' : 'none', code: 'optout.gpc' };
  },
};
