// Reads configurations for the tests, in a folder of their own.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, type Mistake } from '../../src/config/mistake.ts';
import { readConfig } from '../../src/config.ts';
import type { Config } from '../../src/core/settings.ts';
import { destinations } from './destinations.ts';

export const ENV = {
  META_ACCESS_TOKEN: 'EAAlive7f3c',
  KLAVIYO_PRIVATE_KEY: 'pk_live_51b2',
  SERVER_TOKEN: 'srv-9e51b27f3c',
};

/** How a secret is named. */
export const env = (name: string) => `\${env:${name}}`;
export const file = (path: string) => `\${file:${path}}`;

export const GOOD = `sites:
  - id: shop
    origins: ["https://shop.example"]
    serverTokens: ["${env('SERVER_TOKEN')}"]
    meta: { datasetId: "1234567890", accessToken: "${env('META_ACCESS_TOKEN')}" }
    klaviyo: { privateKey: "${env('KLAVIYO_PRIVATE_KEY')}" }
`;

type Env = Readonly<Record<string, string>>;

export interface Reader {
  readonly folder: string;
  read(text: string, env?: Env): Config;
  /** Every mistake; none where the configuration is good. */
  mistakes(text: string, env?: Env): readonly Mistake[];
}

export function openReader(): Reader {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  const read = (text: string, more: Env = {}) =>
    readConfig({ file: join(folder, 'sluice.yaml'), text, env: { ...ENV, ...more }, destinations });
  const mistakes = (text: string, more: Env = {}) => {
    try {
      read(text, more);
    } catch (error) {
      if (error instanceof ConfigError) return error.mistakes;
      throw error;
    }
    return [];
  };
  return { folder, read, mistakes };
}

export const brief = ({ line, key, nearest }: Mistake) => [line, key, nearest];
