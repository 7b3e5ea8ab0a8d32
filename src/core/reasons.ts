// The closed list of reason codes. Console, exports, `explain` and the documentation print these very sentences.
// Adding a code is a minor release, changing a meaning a major one.

/** policy: intended by law or configuration; hygiene: the event itself; failure: something that should be mended. */
export type ReasonClass = 'policy' | 'hygiene' | 'failure';

interface Reason {
  readonly class: ReasonClass;
  readonly sentence: string;
}

const policy = (sentence: string): Reason => ({ class: 'policy', sentence });
const hygiene = (sentence: string): Reason => ({ class: 'hygiene', sentence });
const failure = (sentence: string): Reason => ({ class: 'failure', sentence });

export const REASONS = {
  'consent.granted': policy('The visitor consented to what this destination needs.'),
  'consent.not_required': policy('In this region no consent is required, and none was refused.'),
  'consent.absent': policy('No consent signal came with the event.'),
  'consent.malformed': failure('A consent signal came that cannot be read.'),
  'consent.unsupported_version': failure(
    'The consent signal is of a version or scope that is no longer, or not yet, valid.',
  ),
  'consent.expired': policy('The consent is older than the policy allows.'),
  'consent.future': failure('The consent claims a time that lies in the future.'),
  'consent.unanswered': policy('Nothing shows that the visitor answered the consent banner.'),
  'consent.reconsent_due': policy('The consent banner was changed and the visitor has not answered it again.'),
  'consent.withdrawn': policy('The visitor withdrew consent and has not given it again since.'),
  'storage.denied': policy('Storing and reading information on the device was refused (purpose 1).'),
  'purpose.denied': policy('A purpose that this destination needs was refused.'),
  'vendor.denied': policy('The visitor was shown this vendor and did not consent to it.'),
  'vendor.not_disclosed': policy('The consent says nothing about this vendor.'),
  'category.denied': policy('The category that this destination belongs to was refused.'),
  'category.missing': failure('The consent does not mention the category that this destination belongs to.'),
  'optout.gpc': policy('The browser sends Global Privacy Control, an opt-out of sale and sharing.'),
  'optout.us_privacy': policy('The US Privacy string opts out of sale.'),
  'optout.gpp': policy('The Global Privacy Platform string opts out of sale, sharing or targeted advertising.'),
  'optout.sale_of_data': policy('The visitor refused the sale of data.'),
  'subject.erased': policy('The person was erased on request; nothing about them is processed.'),
  'event.not_mapped': policy('This event is not listed for this destination.'),
  'event.duplicate': hygiene('The same event was accepted before.'),
  'event.too_old': hygiene('The event is older than this destination accepts.'),
  'event.superseded': policy('Purchases of this site are sent from its webhook.'),
  'order.test': hygiene('It is a test order.'),
  'order.cancelled': hygiene('The order was cancelled before it could be sent.'),
  'order.not_web': policy('The order was not placed on the website.'),
  'order.renewal': policy('The order is the automatic renewal of a subscription.'),
  'source.bot': hygiene('The request came from a robot.'),
  'destination.not_configured': policy('The destination is not configured for this site.'),
  'destination.paused': policy('An operator paused this destination.'),
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof REASONS;

/** Narrows a text that came from a database or an argument. */
export function isReasonCode(text: string): text is ReasonCode {
  return Object.hasOwn(REASONS, text);
}
