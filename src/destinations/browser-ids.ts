// Meta's browser identifiers, sent as they came or not at all. Both are case-sensitive and never hashed.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc

import type { CollectedEvent } from '../core/event.ts';

// fb.subdomainIndex.creationTime.id, and a fifth segment where Meta's own library wrote the value: kept, never added.
const FBC = /^fb\.\d{1,3}\.(\d{1,15})\.[^.\s]+(?:\.[\w-]{2}|\.[\w-]{8})?$/;
const FBP = /^fb\.\d{1,3}\.(\d{1,15})\.\d+(?:\.[\w-]{2}|\.[\w-]{8})?$/;
const CLICK_ID = /^[\w-]{1,512}$/;
const MAX_LENGTH = 600;
/** Clocks differ; a value of later than this is not of this world. */
const MAX_AHEAD_MS = 60_000;
/** What the index is where no cookie is stored. */
const SERVER_INDEX = 1;

/** A well-formed `fbc`, verbatim; else one made of the click id that came with the event; else null. */
export function fbcOf(event: CollectedEvent, nowMs: number): string | null {
  const given = verbatim(event.ids?.fbc, FBC, nowMs);
  if (given !== null) return given;
  const click = event.ids?.fbclid ?? clickIdOf(event.page?.url);
  // The event's own time is when the click was first seen here, and is the same at every retry.
  return click !== null && CLICK_ID.test(click) ? `fb.${SERVER_INDEX}.${event.timeMs}.${click}` : null;
}

/** A well-formed `fbp`, verbatim, or null: it is never made up here. */
export function fbpOf(event: CollectedEvent, nowMs: number): string | null {
  return verbatim(event.ids?.fbp, FBP, nowMs);
}

function verbatim(value: string | undefined, form: RegExp, nowMs: number): string | null {
  if (value === undefined || value.length > MAX_LENGTH) return null;
  const created = form.exec(value)?.[1];
  return created !== undefined && Number(created) <= nowMs + MAX_AHEAD_MS ? value : null;
}

function clickIdOf(url: string | undefined): string | null {
  return URL.parse(url ?? '')?.searchParams.get('fbclid') ?? null;
}
