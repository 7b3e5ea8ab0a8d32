// Rules between keys. They look at the raw value, so that they are reported together with the mistakes of single keys.

import { z } from 'zod';
import { Secret } from '../core/settings.ts';
import { originOf } from './network.ts';
import type { PathMistake } from './secret.ts';
import { type Path, writePath } from './shape.ts';

const listener = z.looseObject({ host: z.string(), port: z.number() }).nullable().catch(null);
const view = z
  .object({
    listen: z.object({ collect: listener, console: listener, ops: listener }).partial().nullable().catch(null),
    store: z.object({ url: z.string() }).nullable().catch(null),
    role: z.string().nullable().catch(null),
    sites: z
      .array(
        z
          .object({
            id: z.string().nullable().catch(null),
            origins: z.array(z.unknown()).catch([]),
            serverTokens: z.array(z.unknown()).catch([]),
          })
          .nullable()
          .catch(null),
      )
      .catch([]),
  })
  .partial();

type View = z.infer<typeof view>;

/** Everything that is wrong between keys, whatever else is wrong. */
export function crossMistakes(value: unknown): readonly PathMistake[] {
  const seen = view.safeParse(value);
  if (!seen.success) return [];
  return [...roleMistakes(seen.data), ...listenerMistakes(seen.data), ...siteMistakes(seen.data)];
}

function roleMistakes({ role, store }: View): readonly PathMistake[] {
  if ((role !== 'collect' && role !== 'deliver') || /^postgres(ql)?:/.test(store?.url ?? '')) return [];
  return [
    {
      path: ['role'],
      message: `${role} needs a store that several machines share: SQLite runs under role: all, collect and deliver need a postgres:// store`,
    },
  ];
}

function listenerMistakes({ listen }: View): readonly PathMistake[] {
  const mistakes: PathMistake[] = [];
  const taken: { name: string; host: string; port: number }[] = [];
  for (const name of ['collect', 'console', 'ops'] as const) {
    const place = listen?.[name];
    if (!place || place.port === 0) continue;
    const other = taken.find(({ host, port }) => port === place.port && shareAddress(host, place.host));
    if (other === undefined) taken.push({ name, host: place.host, port: place.port });
    else mistakes.push({ path: ['listen', name, 'port'], message: `is taken by listen.${other.name} already` });
  }
  return mistakes;
}

function shareAddress(a: string, b: string): boolean {
  return a === b || [a, b].some((host) => host === '0.0.0.0' || host === '::');
}

function siteMistakes({ sites = [] }: View): readonly PathMistake[] {
  const all = sites.map((site, at) => ({ site, path: ['sites', at] as const }));
  const members = (key: 'origins' | 'serverTokens') =>
    all.flatMap(({ site, path }) => (site?.[key] ?? []).map((value, at) => ({ value, path: [...path, key, at] })));
  const ids = all.map(({ site, path }) => ({ value: site?.id ?? null, path: [...path, 'id'] }));
  const origins = members('origins').map(({ value, path }) => ({ value: readOrigin(value), path }));
  const tokens = members('serverTokens').map(({ value, path }) => ({ value: readToken(value), path }));
  return [
    ...repeated(ids, 'is the id of another site'),
    ...repeated(origins, 'is listed twice: a site is found by its origin'),
    ...repeated(tokens, 'is used twice: a site is found by its token'),
  ];
}

// Two origins that differ in form alone are mistakes of form first, and the same origin after they were mended.
function readOrigin(value: unknown): string | null {
  return typeof value === 'string' ? originOf(value) : null;
}

function readToken(value: unknown): string | null {
  const token = value instanceof Secret ? value.reveal() : '';
  return token === '' ? null : token;
}

interface Placed {
  readonly value: string | null;
  readonly path: Path;
}

function repeated(all: readonly Placed[], what: string): readonly PathMistake[] {
  const first = new Map<string, Path>();
  const mistakes: PathMistake[] = [];
  for (const { value, path } of all) {
    if (value === null) continue;
    const other = first.get(value);
    if (other === undefined) first.set(value, path);
    else mistakes.push({ path, message: `${what}, see ${writePath(other)}` });
  }
  return mistakes;
}
