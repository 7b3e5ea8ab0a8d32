// GA4's event names and Meta's standard events. What has none is not sent, unless the site names one itself.
// https://developers.facebook.com/docs/meta-pixel/reference and the GA4 reference of recommended events.

/** A site's own names: an event → Meta's name for it, or null for an event that is not sent to Meta. */
export type MetaNames = Readonly<Record<string, string | null>>;

export const META_EVENTS: MetaNames = {
  page_view: 'PageView',
  view_item: 'ViewContent',
  search: 'Search',
  view_search_results: 'Search',
  add_to_cart: 'AddToCart',
  add_to_wishlist: 'AddToWishlist',
  begin_checkout: 'InitiateCheckout',
  add_payment_info: 'AddPaymentInfo',
  purchase: 'Purchase',
  sign_up: 'CompleteRegistration',
  generate_lead: 'Lead',
  subscribe: 'Subscribe',
  start_trial: 'StartTrial',
  schedule: 'Schedule',
  contact: 'Contact',
  find_location: 'FindLocation',
  donate: 'Donate',
  submit_application: 'SubmitApplication',
  customize_product: 'CustomizeProduct',
};

/** Meta's name for an event: the site's own first, then the standard one; null where it is not sent. */
export function metaEventName(name: string, own: MetaNames = {}): string | null {
  if (Object.hasOwn(own, name)) return own[name] ?? null;
  return Object.hasOwn(META_EVENTS, name) ? (META_EVENTS[name] ?? null) : null;
}
