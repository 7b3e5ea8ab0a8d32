// The packaged default policy, for tests that decide.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { identifyPolicy, type Policy, policyFile } from '../src/core/policy-file.ts';

const file = new URL('../config/policies/default.yaml', import.meta.url);

export const defaultPolicy: Policy = identifyPolicy(policyFile.parse(parse(readFileSync(file, 'utf8'))));
