// What a visitor's browser posts, as the shop's proxy passes it on: a purchase, a withdrawal.

import { rejectAll, type Visitor } from './visitors.ts';

/** Where the browser is. */
export interface Shopfront {
  readonly collectUrl: string;
  /** The shop's. */
  readonly origin: string;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

export interface Posted {
  /** The answer's JSON; undefined where it was no 202. */
  readonly answer: unknown;
  /** The Cookie header that the browser sends from now on. */
  readonly cookie: string | undefined;
}

const USER_AGENT =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

/** Buys a mug. */
export function postPurchase(front: Shopfront, visitor: Visitor, eventId: string): Promise<Posted> {
  const { says, name } = visitor;
  const event = {
    name: 'purchase',
    event_id: eventId,
    time: new Date(front.nowMs()).toISOString(),
    page: { url: `${front.origin}/thank-you`, title: 'Thank you' },
    currency: 'EUR',
    value: 24,
    transaction_id: `order-${name.toLowerCase()}`,
    items: [{ item_id: 'MUG-350', item_name: 'Stoneware mug', price: 24, quantity: 1 }],
    user: { email: emailOf(visitor), first_name: name },
    ...(says.consent === undefined ? {} : { consent: says.consent }),
  };
  return post(front, visitor, { path: '/collect', cookie: says.cookie, body: event });
}

/** Takes consent back, as the consent platform reports it. */
export function postWithdrawal(front: Shopfront, visitor: Visitor, cookie: string | undefined): Promise<Posted> {
  return post(front, visitor, { path: '/consent', cookie, body: { consent: rejectAll(front.nowMs()) } });
}

export function emailOf({ name }: Visitor): string {
  return `${name.toLowerCase()}@mail.example`;
}

interface Letter {
  readonly path: string;
  readonly cookie: string | undefined;
  readonly body: unknown;
}

async function post(front: Shopfront, visitor: Visitor, { path, cookie, body }: Letter): Promise<Posted> {
  const response = await fetch(front.collectUrl + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': USER_AGENT,
      origin: front.origin,
      'x-forwarded-for': visitor.ip,
      'cf-ipcountry': visitor.country,
      ...(cookie === undefined ? {} : { cookie }),
      ...(visitor.says.gpc === true ? { 'sec-gpc': '1' } : {}),
    },
    body: JSON.stringify(body),
    signal: front.signal,
  });
  const text = await response.text();
  const set = response.headers.getSetCookie().map((line) => line.split(';', 1)[0] ?? '');
  const cookies = [...(cookie === undefined ? [] : [cookie]), ...set].join('; ');
  return {
    answer: response.status === 202 ? JSON.parse(text) : undefined,
    cookie: cookies === '' ? undefined : cookies,
  };
}
