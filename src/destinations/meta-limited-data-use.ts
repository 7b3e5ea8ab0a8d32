// Limited Data Use: how an event of a person who opted out in the United States may be used. It takes effect by the
// person's state, which Meta is told, or finds out from the address.
// https://developers.facebook.com/docs/marketing-api/data-processing-options

import type { EventUser } from '../core/event.ts';
import { countryOf } from './countries.ts';
import { usState } from './us-states.ts';

export interface LimitedDataUse {
  readonly data_processing_options: readonly ['LDU'];
  /** 1 = United States, 0 = Meta finds out. */
  readonly data_processing_options_country: 0 | 1;
  readonly data_processing_options_state: number;
}

// The states whose laws Meta knows an option for; the others have no number.
const STATES: Readonly<Partial<Record<string, number>>> = {
  ca: 1000,
  co: 1001,
  ct: 1002,
  fl: 1003,
  or: 1004,
  tx: 1005,
  mt: 1006,
  de: 1007,
  ne: 1008,
  nh: 1009,
  nj: 1010,
  mn: 1011,
  md: 1012,
  ri: 1013,
};
const FIND_OUT = 0;

/**
 * The options of an event, by the state that the person named, else by the address.
 * @returns null where neither is there: without both the option has no effect, and the event would be used like any other
 */
export function limitedDataUse(user: EventUser | undefined, hasAddress: boolean): LimitedDataUse | null {
  const state = stateOf(user);
  if (state === undefined && !hasAddress) return null;
  return {
    data_processing_options: ['LDU'],
    data_processing_options_country: state === undefined ? FIND_OUT : 1,
    data_processing_options_state: state ?? FIND_OUT,
  };
}

function stateOf(user: EventUser | undefined): number | undefined {
  if (countryOf(user?.country) !== 'US') return undefined;
  const code = usState((user?.region ?? '').toLowerCase().replace(/[^a-z]/g, ''));
  return code === null ? undefined : STATES[code];
}
