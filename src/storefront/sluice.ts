// The storefront script: hears what the page reports, adds the consent of that moment, posts both to the collector.
// It stores nothing in the browser, decides nothing about anybody, and a collector that is down is never noticed.

import type { WireConsent, WireEvent } from '../core/event.ts';
import { askTcf, readCookies, type TcfApi } from './evidence.ts';
import { makeEvent } from './payload.ts';
import { createQueue, type Queue } from './queue.ts';
import { post } from './transport.ts';

type Command = (...call: readonly unknown[]) => void;

declare global {
  interface Window {
    /** The inline stub with the calls it holds (`q`); afterwards this script (`on`). */
    sluice?: Command & { readonly q?: readonly ArrayLike<unknown>[]; on?: true };
    readonly __tcfapi?: TcfApi;
  }
  interface Navigator {
    /** W3C Global Privacy Control. */
    readonly globalPrivacyControl?: boolean;
  }
  interface Document {
    readonly prerendering?: boolean;
  }
}

/** How long events wait for a CMP that is still loading; leaving the page ends the wait. */
const CMP_WAIT_MS = 3_000;

// Both addresses lie beside the script unless its tag says otherwise: a path prefix of the shop's proxy needs no setting.
function findAddresses(): { readonly collectUrl: string; readonly consentUrl: string } | null {
  const tag = document.currentScript ?? document.querySelector('script[data-site][src]');
  if (!(tag instanceof HTMLScriptElement)) return null;
  const { endpoint, consentEndpoint } = tag.dataset;
  const collectUrl = new URL(endpoint ?? 'collect', tag.src).href;
  return { collectUrl, consentUrl: new URL(consentEndpoint ?? 'consent', collectUrl).href };
}

/** What can be read at once: readable cookies and Global Privacy Control. */
function readNow(): WireConsent {
  const consent = readCookies(document.cookie);
  return navigator.globalPrivacyControl === true ? { ...consent, gpc: true } : consent;
}

/** The same with the CMP's own answer, waited for within bounds. */
function readConsent(done: (consent: WireConsent) => void): void {
  let isOpen = true;
  const finish = (strings: WireConsent) => {
    if (isOpen) done({ ...readNow(), ...strings });
    isOpen = false;
  };
  setTimeout(finish, CMP_WAIT_MS, {});
  try {
    if (window.__tcfapi === undefined) finish({});
    else askTcf(window.__tcfapi, finish);
  } catch {
    finish({});
  }
}

// randomUUID exists on https alone; the fallback is for a shop on a developer's machine.
function makeId(): string {
  if (crypto.randomUUID !== undefined) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Without the fragment: it never reached the shop's server, and single sign-on puts tokens there.
function describePage(): WireEvent['page'] {
  return {
    url: location.origin + location.pathname + location.search,
    ...(document.referrer ? { referrer: document.referrer } : {}),
    ...(document.title ? { title: document.title } : {}),
  };
}

function createCommand(queue: Queue): Command {
  return (command, name, params) => {
    if (command === 'consent' || command === 'withdraw') queue.report(command);
    if (command !== 'track' || typeof name !== 'string') return;
    const moment = { eventId: makeId(), time: new Date().toISOString(), page: describePage() };
    try {
      // A copy: the page may go on to change what it handed over.
      queue.add(JSON.parse(JSON.stringify(makeEvent(name, params, moment))));
    } catch {
      // What cannot be JSON cannot be sent, and the page's own work goes on.
    }
  };
}

// A page that is loaded ahead of time has not been visited.
function whenShown(act: () => void): void {
  if (document.prerendering) document.addEventListener('prerenderingchange', act, { once: true });
  else act();
}

function start(): void {
  const addresses = findAddresses();
  if (addresses === null || window.sluice?.on) return;
  const queue = createQueue({ ...addresses, read: readConsent, post });
  const command = createCommand(queue);
  const sluice: Window['sluice'] = (...call) => whenShown(() => command(...call));
  const calls = window.sluice?.q ?? [];
  sluice.on = true;
  window.sluice = sluice;
  // Not unload: it costs the page its place in the back/forward cache, and phones never fire it.
  addEventListener('pagehide', () => queue.flush(readNow()));
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && queue.flush(readNow()));
  sluice('track', 'page_view');
  for (const call of calls) sluice(...Array.from(call));
}

start();
