// The ways in which a stand-in can be told to fail.

import type { Request } from './fake-ledger.ts';

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Selection {
  /** How many requests suffer it; 1 where nothing is said, Infinity for an outage. */
  times?: number;
  readonly match?: (request: Request) => boolean;
}

/** A way to fail. `recorded`: the event counts all the same, only the answer is bad. */
export type Fault = Selection &
  (
    | { readonly do: 'answer'; readonly reply: Reply }
    | { readonly do: 'html'; readonly status?: number; readonly recorded?: boolean }
    | { readonly do: 'garbage' | 'empty-200' | 'received-0'; readonly recorded?: boolean }
    | { readonly do: 'hang' | 'reset-before' | 'reset-after-recording' }
    | { readonly do: 'slow'; readonly ms: number }
  );

/** The first fault that matches, counted; a used-up one leaves the list. */
export function takeFault(faults: Fault[], request: Request): Fault | null {
  const index = faults.findIndex((fault) => fault.match?.(request) ?? true);
  const fault = faults[index];
  if (fault === undefined) return null;
  fault.times = (fault.times ?? 1) - 1;
  if (fault.times <= 0) faults.splice(index, 1);
  return fault;
}

/** What a fault answers: a reply, a reset connection, or nothing ever. */
export function badReply(fault: Exclude<Fault, { do: 'slow' }>, receivedNothing: Reply): Reply | 'reset' | 'nothing' {
  const json = { 'content-type': 'application/json' };
  switch (fault.do) {
    case 'answer':
      return fault.reply;
    case 'html':
      return {
        status: fault.status ?? 502,
        headers: { 'content-type': 'text/html; charset=utf-8' },
        text: '<!doctype html><title>Bad gateway</title><h1>The upstream server did not answer</h1>',
      };
    case 'garbage':
      return { status: 200, headers: json, text: '{"events_rec' };
    case 'empty-200':
      return { status: 200, text: '' };
    case 'received-0':
      return receivedNothing;
    case 'hang':
      return 'nothing';
    case 'reset-before':
    case 'reset-after-recording':
      return 'reset';
  }
}
