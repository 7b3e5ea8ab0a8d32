// `custom_data`: what was looked at or bought. Nothing is invented: no default currency, no value of zero for a missing one.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/custom-data

import type { CollectedEvent, EventItem } from '../core/event.ts';
import { holdsPersonalData } from './clean-url.ts';
import { parseCurrency } from './currency.ts';

export interface MetaContent {
  readonly id: string;
  readonly quantity?: number;
  readonly item_price?: number;
}

const DELIVERY_CATEGORIES = ['in_store', 'curbside', 'home_delivery'] as const;

export interface MetaCustomData {
  readonly value?: number;
  readonly currency?: string;
  readonly content_type?: 'product' | 'product_group';
  readonly content_ids?: readonly string[];
  readonly contents?: readonly MetaContent[];
  readonly num_items?: number;
  readonly order_id?: string;
  readonly search_string?: string;
  readonly predicted_ltv?: number;
  readonly delivery_category?: (typeof DELIVERY_CATEGORIES)[number];
}

/** `metaName` is the event's name at Meta. An amount without its currency, or the reverse, says nothing and is left out. */
export function metaCustomData(event: CollectedEvent, metaName: string): MetaCustomData {
  return {
    ...money(event),
    ...articles(event, metaName),
    ...(metaName === 'Purchase' && event.transaction_id ? { order_id: event.transaction_id } : {}),
    ...(metaName === 'Search' ? search(event.search_term) : {}),
    ...ownProperties(event),
  };
}

// Meta has no negative purchase: an amount below zero is one that it cannot have.
function isAmount(amount: unknown): amount is number {
  return typeof amount === 'number' && amount >= 0;
}

// As they came: no amount is computed here, so that none is rounded.
function money({ value, currency }: CollectedEvent): Pick<MetaCustomData, 'value' | 'currency'> {
  const code = parseCurrency(currency);
  return !isAmount(value) || code === null ? {} : { value, currency: code };
}

function articles(event: CollectedEvent, metaName: string): MetaCustomData {
  const contents = (event.items ?? []).flatMap(content);
  if (contents.length === 0) return {};
  return {
    // A catalogue may be keyed by groups of variants: the shop says so, or its ids are those of products.
    content_type: event.properties?.['content_type'] === 'product_group' ? 'product_group' : 'product',
    content_ids: [...new Set(contents.map(({ id }) => id))],
    contents,
    // Documented for InitiateCheckout alone.
    ...(metaName === 'InitiateCheckout' ? { num_items: pieces(contents) } : {}),
  };
}

function content({ item_id, quantity, price }: EventItem): readonly MetaContent[] {
  const id = item_id?.trim();
  // GA4: a quantity that is not given is one. Of a negative or zero one nothing can be said to Meta.
  const count = quantity ?? 1;
  if (!id || count <= 0 || holdsPersonalData(id)) return [];
  return [
    {
      id,
      ...(Number.isInteger(count) ? { quantity: count } : {}),
      ...(isAmount(price) ? { item_price: price } : {}),
    },
  ];
}

function pieces(contents: readonly MetaContent[]): number {
  return contents.reduce((sum, { quantity }) => sum + (quantity ?? 1), 0);
}

// A search box gets what people paste into it.
function search(term: string | undefined): Pick<MetaCustomData, 'search_string'> {
  const text = term?.trim() ?? '';
  return text === '' || holdsPersonalData(text) ? {} : { search_string: text };
}

// Of the shop's own properties only those that Meta has a key for, and in Meta's words.
function ownProperties({ properties = {} }: CollectedEvent): MetaCustomData {
  const { predicted_ltv: ltv, delivery_category: category } = properties;
  const known = DELIVERY_CATEGORIES.find((one) => one === category);
  return {
    ...(isAmount(ltv) ? { predicted_ltv: ltv } : {}),
    ...(known === undefined ? {} : { delivery_category: known }),
  };
}
