// Runs one command as the command line would, with a configuration of its own and a terminal that remembers.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import type { CommandIo } from '../../src/commands/io.ts';
import { temporaryFolder } from '../log-builder.ts';

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

export interface CommandBench {
  readonly folder: string;
  /** The database that the configuration names; its folder exists. */
  readonly database: string;
  run(...args: readonly string[]): Promise<Ran>;
}

const secret = (name: string) => `\${env:${name}}`;
const META = `    meta: { datasetId: "1234567890", accessToken: "${secret('META')}" }`;
const KLAVIYO = `    klaviyo: { privateKey: "${secret('KLAVIYO')}" }`;
const ENV = { META: 'EAAlive7f3c', KLAVIYO: 'pk_live_51b2' };

/** `sites` replaces the one site of the configuration. */
export function prepareCommand(
  register: (program: Command, io: CommandIo) => void,
  { onEnd, sites = [`  - id: shop`, META, KLAVIYO] }: { onEnd: (clean: () => void) => void; sites?: readonly string[] },
): CommandBench {
  const folder = temporaryFolder(onEnd);
  const database = join(folder, 'data', 'sluice.db');
  const config = join(folder, 'sluice.yaml');
  mkdirSync(join(folder, 'data'));
  writeFileSync(config, [`store: { url: "sqlite:${database}" }`, 'sites:', ...sites, ''].join('\n'));
  return {
    folder,
    database,
    async run(...args) {
      const seen = { out: '', err: '', code: -1 };
      const io: CommandIo = {
        stdout: (text) => {
          seen.out += text;
        },
        stderr: (text) => {
          seen.err += text;
        },
        exit: (code) => {
          seen.code = code;
        },
        env: ENV,
        cwd: folder,
        color: false,
      };
      const program = new Command().exitOverride().configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
      register(program, io);
      await program.parseAsync([...args, '--config', config], { from: 'user' }).catch((error: unknown) => {
        if (!(error instanceof CommanderError)) throw error;
        seen.code = error.exitCode === 0 ? 0 : 2;
      });
      return seen;
    },
  };
}
