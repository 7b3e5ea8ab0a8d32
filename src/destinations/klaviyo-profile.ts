// Whom an event concerns, in clear, as Klaviyo matches people. Every attribute that is sent updates the profile, and null
// would clear it: what is not known is left out. https://developers.klaviyo.com/en/reference/create_event

import type { CollectedEvent, EventUser } from '../core/event.ts';
import { isSha256Hex } from '../core/identity.ts';
import { countryOf } from './countries.ts';
import { parseEmail } from './email.ts';
import { allows } from './klaviyo-fields.ts';
import type { KlaviyoSettings } from './klaviyo-settings.ts';
import { parsePhone } from './phone.ts';

interface Location {
  readonly address1?: string;
  readonly city?: string;
  readonly region?: string;
  readonly zip?: string;
  readonly country?: string;
}

export interface KlaviyoProfile {
  readonly email?: string;
  readonly phone_number?: string;
  readonly external_id?: string;
  readonly _kx?: string;
  readonly first_name?: string;
  readonly last_name?: string;
  readonly location?: Location;
}

const MAX_ID_LENGTH = 255;

/** The profile, or null when nothing identifies it. */
export function klaviyoProfile(event: CollectedEvent, settings: KlaviyoSettings): KlaviyoProfile | null {
  const user = event.user ?? {};
  const identifiers = defined({
    email: parseEmail(user.email) ?? undefined,
    phone_number: parsePhone(user.phone, countryOf(user.country)) ?? undefined,
    ...optedIn(event, settings),
  });
  if (Object.keys(identifiers).length === 0) return null;
  const place = location(user);
  const { fields } = settings;
  return {
    ...identifiers,
    ...defined({
      first_name: allows(fields, 'first_name') ? plain(user.first_name) : undefined,
      last_name: allows(fields, 'last_name') ? plain(user.last_name) : undefined,
      location: allows(fields, 'location') && Object.keys(place).length > 0 ? place : undefined,
    }),
  };
}

// Both can bind an e-mail to a stranger's profile: a customer id of another numbering, a forwarded link. So a site says
// from which sources it trusts them. The exchange id comes from the browser: a transactional event never carries it.
function optedIn(event: CollectedEvent, { identifiers, transactional }: KlaviyoSettings) {
  const from = (which: 'off' | 'webhook' | 'all') =>
    which === 'all' || (which === 'webhook' && event.trust === 'webhook');
  const externalId = plain(event.user?.external_id);
  const isId = externalId !== undefined && externalId.length <= MAX_ID_LENGTH;
  return {
    external_id: from(identifiers.externalId) && isId ? externalId : undefined,
    _kx: from(identifiers.kx) && !transactional.includes(event.name) ? plain(event.ids?.kx) : undefined,
  };
}

function location(user: EventUser): Location {
  return defined({
    address1: plain(user.street),
    city: plain(user.city),
    region: plain(user.region),
    zip: plain(user.postal_code),
    country: plain(user.country),
  });
}

/** Text that says something in clear: a digest means nothing to Klaviyo and must not be given to it. */
function plain(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? '';
  return trimmed === '' || isSha256Hex(trimmed) ? undefined : trimmed;
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(record: T): Defined<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Defined<T>;
}
