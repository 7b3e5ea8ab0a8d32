// One event as Meta's server-event parameters, or the reason why there is none to send. Pure.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event

import type { CollectedEvent } from '../core/event.ts';
import type { Delivery } from '../core/ports.ts';
import { metaEventName } from './event-names.ts';
import { type MetaCustomData, metaCustomData } from './meta-custom-data.ts';
import { allowedOf, allowedReferrer, allowedUrl, allows } from './meta-fields.ts';
import { type LimitedDataUse, limitedDataUse } from './meta-limited-data-use.ts';
import type { MetaSettings } from './meta-settings.ts';
import { isInsufficient, type MetaUserData, metaUserData } from './meta-user-data.ts';

/** The part of the settings that shapes an event. */
export type MetaShape = Pick<MetaSettings, 'events' | 'fields' | 'attributionOnly'>;

export interface MetaEvent extends Partial<LimitedDataUse> {
  readonly event_name: string;
  /** Unix seconds. */
  readonly event_time: number;
  readonly event_id: string;
  readonly action_source: 'website';
  readonly event_source_url: string;
  readonly referrer_url?: string;
  readonly opt_out?: true;
  readonly customer_segmentation?: string;
  readonly user_data: MetaUserData;
  readonly custom_data?: MetaCustomData;
}

export type MetaSkip =
  | 'meta.not_mapped'
  | 'meta.no_user_agent'
  | 'meta.no_url'
  | 'meta.incomplete'
  | 'meta.insufficient_data'
  | 'meta.limited_data_use_impossible';

const SEGMENT =
  /^(?:(?:new_customer|existing_customer)_to_(?:business(?:_line)?|product_area|medium)|customer_in_loyalty_program)$/;

/** Checks here what Meta would refuse: one event that is not valid costs the whole request. */
export function toMetaEvent(delivery: Delivery, shape: MetaShape): MetaEvent | { readonly skipped: MetaSkip } {
  const { event, nowMs } = delivery;
  const { fields } = shape;
  const name = metaEventName(event.name, shape.events);
  if (name === null) return { skipped: 'meta.not_mapped' };
  const userData = allowedOf(metaUserData(event, nowMs), fields);
  const url = allowedUrl(event.page?.url, fields);
  const customData = allowedOf(metaCustomData(event, name), fields);
  const limited = limitedOf(delivery, userData);
  const skipped = whyNot(name, { userData, customData, url, limited });
  if (skipped !== null || url === null) return { skipped: skipped ?? 'meta.no_url' };
  const referrer = allowedReferrer(event.page?.referrer, fields);
  const segment = allows(fields, 'customer_segmentation') ? segmentOf(event) : null;
  return {
    event_name: name,
    event_time: Math.floor(event.timeMs / 1000),
    event_id: event.eventId,
    action_source: 'website',
    event_source_url: url,
    ...(referrer === null ? {} : { referrer_url: referrer }),
    ...(shape.attributionOnly ? { opt_out: true } : {}),
    ...(segment === null ? {} : { customer_segmentation: segment }),
    user_data: userData,
    ...(Object.keys(customData).length === 0 ? {} : { custom_data: customData }),
    ...limited,
  };
}

function limitedOf(
  { event, limitedDataUse: isOn }: Delivery,
  userData: MetaUserData,
): LimitedDataUse | null | undefined {
  return isOn ? limitedDataUse(event.user, userData.client_ip_address !== undefined) : undefined;
}

// Documented for the event, and shown within custom_data in one example: it stands where it is documented.
function segmentOf({ properties }: CollectedEvent): string | null {
  const segment = properties?.['customer_segmentation'];
  return typeof segment === 'string' && SEGMENT.test(segment) ? segment : null;
}

interface Parts {
  readonly userData: MetaUserData;
  readonly customData: MetaCustomData;
  readonly url: string | null;
  readonly limited: LimitedDataUse | null | undefined;
}

function whyNot(name: string, { userData, customData, url, limited }: Parts): MetaSkip | null {
  if (userData.client_user_agent === undefined) return 'meta.no_user_agent';
  if (url === null) return 'meta.no_url';
  if (name === 'Purchase' && customData.value === undefined) return 'meta.incomplete';
  if (limited === null) return 'meta.limited_data_use_impossible';
  return isInsufficient(userData) ? 'meta.insufficient_data' : null;
}
