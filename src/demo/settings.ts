// The demonstration's own configuration, in a folder of its own that is removed afterwards.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const SITE = 'demo';
export const DATASET = '1234567890';
/** How long Klaviyo waits for Meta here, milliseconds; 30 s where nobody is watching. */
export const MAX_WAIT_MS = 1500;

export interface DemoAddresses {
  /** Of the shop. */
  readonly origin: string;
  readonly metaUrl: string;
  readonly klaviyoUrl: string;
}

/** What the stand-ins expect and the configuration refers to by file. */
export interface DemoSecrets {
  readonly metaToken: string;
  readonly klaviyoKey: string;
}

export interface DemoFolder {
  readonly path: string;
  readonly configFile: string;
  remove(): void;
}

/** Makes the folder with the configuration and its secrets, readable by its owner alone. */
export function makeDemoFolder(addresses: DemoAddresses, { metaToken, klaviyoKey }: DemoSecrets): DemoFolder {
  const path = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
  const write = (name: string, text: string) => writeFileSync(join(path, name), text, { mode: 0o600 });
  write('meta-token', `${metaToken}\n`);
  write('klaviyo-key', `${klaviyoKey}\n`);
  write('sluice.yaml', demoConfig(path, addresses));
  return {
    path,
    configFile: join(path, 'sluice.yaml'),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** The configuration as YAML. JSON's strings are YAML's, so that no path can break it. */
export function demoConfig(folder: string, { origin, metaUrl, klaviyoUrl }: DemoAddresses): string {
  const text = JSON.stringify;
  const inside = (name: string) => text(join(folder, name));
  const secret = (name: string) => text(`\${file:${join(folder, name)}}`);
  return `# Made by sluice demo: everything on this machine, and every wait short.
listen:
  collect: { host: 127.0.0.1, port: 0 }
  console: { host: 127.0.0.1, port: 0 }
  ops: { host: 127.0.0.1, port: 0 }
  trustedProxies: [127.0.0.1/32]        # the visitors come through a proxy that says where they are
region: { header: CF-IPCountry }
store: { url: ${text(`sqlite:${join(folder, 'sluice.db')}`)} }
keys: { file: ${inside('keys.json')} }
log: { level: error }
delivery:
  retryScheduleMs: [300, 600]
sites:
  - id: ${SITE}
    origins: [${text(origin)}]
    meta:
      datasetId: ${text(DATASET)}
      accessToken: ${secret('meta-token')}
      baseUrl: ${text(metaUrl)}
    klaviyo:
      privateKey: ${secret('klaviyo-key')}
      baseUrl: ${text(klaviyoUrl)}
      maxWaitMs: ${MAX_WAIT_MS}
`;
}
