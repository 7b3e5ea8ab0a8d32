// The registry of ways in. A new source is one file and one line here.

import type { Source } from '../core/ports.ts';
import { browser } from './browser.ts';

export const sources: readonly Source[] = [browser];
