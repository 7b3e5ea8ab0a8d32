// Shopify's Customer Privacy (https://shopify.dev/docs/api/customer-privacy): the four answers as a storefront or pixel
// hands them on, and the `_tracking_consent` cookie that holds them. Shopify keeps no time of the answer.

import type { Ask, ConsentSignal, RawConsent, SignalVerdict } from '../core/consent.ts';
import { parseCountry } from '../core/region.ts';
import { type Fault, MAX_SIGNAL_LENGTH, malformed, type Unreadable, unreadable } from './unreadable.ts';

const TOPICS = ['marketing', 'analytics', 'preferences', 'sale_of_data'] as const;
type Topic = (typeof TOPICS)[number];
/** `unanswered`: Shopify has a place for the answer and there is none. */
type Answer = 'yes' | 'no' | 'unanswered';

/** Topics without a word have no key. */
export type ShopifyAnswers = { readonly [topic in Topic]?: Answer } & { readonly country: string | null };
export type ShopifyEvidence = ShopifyAnswers | Unreadable;

export const shopify: ConsentSignal<ShopifyEvidence> = {
  name: 'shopify',
  decode({ shopify: object, shopify_cookie: text }, keyedHash) {
    const said = readObject(object);
    if (text === undefined || text === '') return said;
    const cookie = readCookie(text);
    if (!('fault' in cookie)) return said === null ? cookie : stricterOf(said, cookie);
    return said ?? unreadable(text, cookie, keyedHash);
  },
  judge(evidence, ask) {
    const wanted = ask.wanted.shopify?.signals ?? [];
    if ('unreadable' in evidence) {
      if (wanted.length === 0) return null;
      note(ask, 'readable', ['answers', evidence.unreadable, false]);
      return { result: 'none', code: evidence.code };
    }
    const verdict = judgeTopics(evidence, wanted, ask);
    return verdict?.result === 'denied' ? verdict : (judgeSale(evidence, ask) ?? verdict);
  },
  hints: (evidence) => ('unreadable' in evidence || evidence.country === null ? [] : [evidence.country]),
};

function judgeTopics(answers: ShopifyAnswers, wanted: readonly Topic[], ask: Ask): SignalVerdict | null {
  if (wanted.length === 0) return null;
  const found = wanted.map((topic) => answers[topic] ?? 'missing');
  wanted.forEach((topic, i) => {
    note(ask, topic, ['yes', found[i] ?? 'missing', found[i] === 'yes']);
  });
  const refused = wanted.filter((_, i) => found[i] === 'no');
  if (refused.length > 0) {
    const isSaleAlone = refused.every((topic) => topic === 'sale_of_data');
    return { result: 'denied', code: isSaleAlone ? 'optout.sale_of_data' : 'category.denied' };
  }
  if (found.includes('missing')) return { result: 'none', code: 'category.missing' };
  if (found.includes('unanswered')) return { result: 'none', code: 'consent.unanswered' };
  return { result: 'granted', sufficient: true, time: null };
}

// Selling is a notion of US law: elsewhere the refusal counts where the policy asks for it.
function judgeSale({ sale_of_data: sale }: ShopifyAnswers, ask: Ask): SignalVerdict | null {
  if (ask.region === 'regulated' || sale === undefined) return null;
  note(ask, 'opt_out', ['no opt-out of sale', sale === 'no' ? 'opt-out' : 'no opt-out', sale !== 'no']);
  return sale === 'no' ? { result: 'denied', code: 'optout.sale_of_data' } : null;
}

function readObject(object: RawConsent['shopify']): ShopifyAnswers | null {
  const answers = TOPICS.flatMap((topic): [Topic, Answer][] => {
    const said = object?.[topic];
    return said === undefined ? [] : [[topic, said ? 'yes' : 'no']];
  });
  return answers.length === 0 ? null : { ...Object.fromEntries(answers), country: null };
}

/** Two sources of one carrier: a refusal in either is one, and a topic is granted only where nobody says less. */
function stricterOf(one: ShopifyAnswers, other: ShopifyAnswers): ShopifyAnswers {
  const answers = TOPICS.flatMap((topic): [Topic, Answer][] => {
    const said = [one[topic], other[topic]].filter((answer) => answer !== undefined);
    const strictest = said.includes('no') ? 'no' : said.includes('yes') ? 'yes' : said[0];
    return strictest === undefined ? [] : [[topic, strictest]];
  });
  return { ...Object.fromEntries(answers), country: one.country ?? other.country };
}

const CMP_KEYS = { m: 'marketing', a: 'analytics', p: 'preferences', s: 'sale_of_data' } as const;
/** The word of versions 1.0 and 2.0 for an opt-out of sale. */
const SALE_BLOCKED = 'CCPA_BLOCK_ALL';

/** Reads the cookie: URL-encoded JSON, the answers of version 2.1 under `con.CMP` as "1", "0" or "". */
function readCookie(text: string): ShopifyAnswers | Fault {
  if (text.length > MAX_SIGNAL_LENGTH) return malformed('length');
  const cookie = parseJson(text);
  if (cookie === null) return malformed('json');
  const region = member(cookie, 'region');
  const country = typeof region === 'string' ? parseCountry(region.slice(0, 2)) : null;
  const choices = member(member(cookie, 'con'), 'CMP');
  const limits = member(cookie, 'lim');
  const blocked = Array.isArray(limits) && limits.includes(SALE_BLOCKED) ? { sale_of_data: 'no' as const } : {};
  if (choices === undefined && Object.keys(blocked).length === 0) {
    return { code: 'consent.unsupported_version', fault: 'version' };
  }
  const answers = Object.entries(CMP_KEYS).flatMap(([key, topic]): [Topic, Answer][] => {
    const said = member(choices, key);
    return said === undefined ? [] : [[topic, said === '1' ? 'yes' : said === '0' ? 'no' : 'unanswered']];
  });
  return { ...Object.fromEntries(answers), ...blocked, country };
}

function parseJson(text: string): object | null {
  try {
    const value: unknown = JSON.parse(decodeURIComponent(text));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** A member of its own; what a prototype brings is none. */
function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? Object.getOwnPropertyDescriptor(value, key)?.value
    : undefined;
}

function note(ask: Ask, rule: string, [required, found, holds]: readonly [string, string, boolean]): void {
  ask.note?.({ signal: 'shopify', rule, required, found, holds });
}
