// The destinations, in the order of dispatch: each one waits until those before it are settled.

import type { Destination } from '../core/ports.ts';
import { klaviyo } from './klaviyo.ts';
import { meta } from './meta.ts';
import type { Checkable } from './online.ts';

export const destinations: readonly (Destination & Checkable)[] = [meta, klaviyo];
