// How many requests one client may send: counted in memory, answered before the body is read, never logged one by one.

import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Problem } from '../core/errors.ts';
import { networkOf } from './peer.ts';

const WINDOW_SECONDS = 60;

/** @throws Problem `rate_limited`, with the time until the window ends */
export type RateLimit = (address: string) => Promise<void>;

/** A limit of requests in a minute for each IPv4 address or IPv6 /64. A client that stays away is forgotten after it. */
export function createRateLimit(perMinute: number): RateLimit {
  const limiter = new RateLimiterMemory({ points: perMinute, duration: WINDOW_SECONDS });
  return async (address) => {
    try {
      await limiter.consume(networkOf(address));
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const retryAfterSeconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
      throw new Problem('rate_limited', `at most ${perMinute} requests a minute`, { retryAfterSeconds });
    }
  };
}
