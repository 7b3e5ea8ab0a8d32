// Brings a body to the collector without the page noticing: no preflight, no exception, no wait.

// Intake may refuse for a moment (503, 429) and networks blink. An event keeps its id, so that asking twice counts once.
const RETRY_DELAYS_MS = [1_000, 5_000];
// A browser rejects keepalive requests above 64 KiB in flight (Fetch standard).
const KEEPALIVE_BYTES = 60_000;

/** What is to be brought where. */
export interface Parcel {
  readonly url: string;
  /** JSON text. */
  readonly body: string;
  /** Asked before each repetition: false when something newer has taken its place. */
  readonly isWanted: () => boolean;
}

/** Posts a parcel, and again twice while the page lives and the collector cannot take it. Never throws, never rejects. */
export function post(parcel: Parcel, attempt = 0): void {
  const again = () => {
    const delayMs = RETRY_DELAYS_MS[attempt];
    if (delayMs !== undefined) setTimeout(() => parcel.isWanted() && post(parcel, attempt + 1), delayMs);
  };
  try {
    fetch(parcel.url, {
      method: 'POST',
      // text/plain keeps it a simple request: no OPTIONS before each event.
      headers: { 'Content-Type': 'text/plain' },
      body: parcel.body,
      credentials: 'include',
      keepalive: parcel.body.length < KEEPALIVE_BYTES,
    }).then(({ status }) => {
      if (status >= 500 || status === 429) again();
    }, again);
  } catch {
    // Pages replace fetch; what theirs throws is not the shopper's trouble.
  }
}
