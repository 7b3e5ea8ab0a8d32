// Klaviyo's two fixed windows, of a second and of a minute, as its stand-in keeps them.

export interface RateLimits {
  /** Requests in a second. */
  readonly burst: number;
  /** Requests in a minute. */
  readonly steady: number;
}

export interface Taken {
  /** Seconds until the next window; null = the request is within the limits. */
  readonly retryAfterS: number | null;
  /** What Klaviyo writes into every answer but a 429. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Counts requests; a window opens with the first request after the last one closed. */
export function createRateLimit(limits: RateLimits, now: () => number): { take(): Taken } {
  const second = openWindow(limits.burst, 1_000, now);
  const minute = openWindow(limits.steady, 60_000, now);
  return {
    take() {
      const short = second();
      const long = minute();
      const worst = long.isOver ? long : short;
      return {
        retryAfterS: worst.isOver ? worst.resetS : null,
        headers: {
          'ratelimit-limit': String(limits.steady),
          'ratelimit-remaining': String(long.remaining),
          'ratelimit-reset': String(long.resetS),
        },
      };
    },
  };
}

function openWindow(limit: number, lengthMs: number, now: () => number) {
  let openedMs = Number.NEGATIVE_INFINITY;
  let used = 0;
  return () => {
    const atMs = now();
    if (atMs - openedMs >= lengthMs) {
      openedMs = atMs;
      used = 0;
    }
    used += 1;
    return {
      isOver: used > limit,
      remaining: Math.max(0, limit - used),
      resetS: Math.max(1, Math.ceil((openedMs + lengthMs - atMs) / 1000)),
    };
  };
}
