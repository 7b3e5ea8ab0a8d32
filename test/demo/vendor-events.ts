// Requests as both vendors document them, for the tests of their stand-ins.

import { createHash } from 'node:crypto';

export const NOW_MS = Date.UTC(2026, 10, 24, 8, 0, 0);
export const NOW_S = NOW_MS / 1000;
export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export const userData = {
  em: [sha256('rosa@garten.example')],
  client_user_agent: 'Mozilla/5.0',
  client_ip_address: '46.5.12.77',
};
export const customData = {
  value: 21.4,
  currency: 'EUR',
  content_type: 'product',
  contents: [{ id: 'R-1', quantity: 2 }],
};

export function graphEvent(over: object = {}): object {
  return {
    event_name: 'Purchase',
    event_time: NOW_S - 30,
    event_id: 'o-7',
    action_source: 'website',
    event_source_url: 'https://garten.example/danke',
    user_data: userData,
    custom_data: customData,
    ...over,
  };
}

export function klaviyoBody(over: object = {}, profile: object = { email: 'rosa@garten.example' }): object {
  return {
    data: {
      type: 'event',
      attributes: {
        unique_id: 'o-7',
        time: new Date(NOW_MS - 30_000).toISOString(),
        value: 21.4,
        value_currency: 'EUR',
        metric: { data: { type: 'metric', attributes: { name: 'post_purchase_ready' } } },
        profile: { data: { type: 'profile', attributes: profile } },
        properties: { capi_event_id: 'o-7', capi_status: 'sent', order_id: '7' },
        ...over,
      },
    },
  };
}
