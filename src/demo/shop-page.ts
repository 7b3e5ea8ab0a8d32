// The sample shop's one page. It says what it is, loads nothing from anywhere but the collector, and shows what was decided.

import { SHOP_SCRIPT } from './shop-script.ts';

/** What goes into the page. */
export interface ShopPage {
  readonly collectUrl: string;
  readonly metricsUrl: string;
  readonly site: string;
  /** What the toy consent platform answers after each of its two buttons. */
  readonly choices: Readonly<
    Record<'accept' | 'reject', { readonly tcf: string; readonly additional_consent: string }>
  >;
}

/** The page as HTML. */
export function shopPage({ collectUrl, metricsUrl, site, choices }: ShopPage): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kiln &amp; Clay: the sample shop of Sluice</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
<script>window.CHOICES = ${inScript(choices)};${SHOP_SCRIPT}</script>
<script>window.sluice=window.sluice||function(){(sluice.q=sluice.q||[]).push(arguments)}</script>
<script async src="${attribute(collectUrl)}/sluice.js" data-site="${attribute(site)}"></script>
<body>
<header><strong>Kiln &amp; Clay</strong><span>a sample shop on your own machine: nothing you click here is bought or leaves it</span></header>
${BODY}
<footer>
  Meta and Klaviyo are stand-ins inside the demo. The script is the real one:
  <a href="${attribute(collectUrl)}/sluice.js">sluice.js</a> · <a href="${attribute(metricsUrl)}">metrics</a>
</footer>
</body>
</html>
`;
}

/** JSON inside a script element: `<` would let a value close it. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}

const MUG = `<svg viewBox="0 0 120 110" role="img" aria-label="A stoneware mug">
  <path d="M84 38h10c11 0 16 6 16 16s-6 20-19 20h-8" fill="none" stroke="#8a5a3c" stroke-width="8" stroke-linecap="round"/>
  <path d="M20 24h66l-5 66q-1 8-9 8H34q-8 0-9-8z" fill="#c98f6b"/>
  <path d="M20 24h66l-2 26q-30 12-62 0z" fill="#e9dccb"/>
  <ellipse cx="53" cy="24" rx="33" ry="7" fill="#6f4a33"/>
</svg>`;

const BODY = `<main>
<section class="product" aria-labelledby="product">
  ${MUG}
  <div>
    <h1 id="product">Stoneware mug</h1>
    <p class="price">€24.00</p>
    <label for="email">E-mail for the order</label>
    <input id="email" type="email" value="you@mail.example" autocomplete="off">
    <p class="buttons">
      <button data-event="view_item">View item</button>
      <button data-event="begin_checkout">Begin checkout</button>
      <button data-event="purchase" class="main">Buy</button>
    </p>
  </div>
</section>
<section class="banner" aria-labelledby="consent">
  <h2 id="consent">Cookies? <small>a toy consent platform that speaks TCF 2.3</small></h2>
  <p class="buttons">
    <button data-choice="accept">Accept all</button>
    <button data-choice="reject">Reject all</button>
    <span id="choice" role="status">not answered yet</span>
  </p>
  <p class="hint">No proxy says where you are, and unknown counts as regulated: without an answer nothing is sent.
  Rejecting after accepting withdraws, and stops what is still queued.</p>
</section>
<section class="panel" aria-labelledby="decided">
  <h2 id="decided">What was decided, and what left</h2>
  <ol id="activity" aria-live="polite"><li class="hint">Click something.</li></ol>
</section>
</main>`;

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#ddd5cb, #4a4139); --soft: light-dark(#6b5f54, #b9ab9d);
  --card: light-dark(#fff, #241f1b); --good: light-dark(#1c6b3c, #7fd6a2); --bad: light-dark(#a32a22, #ff9d92); --main: #8a4b2a; }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: light-dark(#f7f3ee, #191512); color: light-dark(#2b231c, #f1e9e0) }
header, footer { padding: .8rem 1.2rem; display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline; color: var(--soft) }
header strong { font: 600 1.3rem Georgia, serif; color: inherit }
main { display: grid; gap: 1rem; padding: 0 1.2rem; max-width: 70rem; grid-template-columns: minmax(0, 1fr) minmax(0, 1.2fr) }
section { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1rem 1.2rem }
.product { display: flex; gap: 1.2rem; align-items: center } .product svg { width: 8rem; flex: none }
.panel { grid-column: 2; grid-row: 1 / span 2 }
h1, h2 { font-family: Georgia, serif; margin: 0; line-height: 1.25 } h1 { font-size: 1.5rem } h2 { font-size: 1.15rem }
small, .hint, label { color: var(--soft); font-size: .85rem; font-family: system-ui, sans-serif; font-weight: 400 }
.price { margin: .2rem 0 .6rem; font-size: 1.1rem } label { display: block }
input { font: inherit; padding: .4rem .6rem; width: 100%; max-width: 16rem; border: 1px solid var(--soft); border-radius: .4rem; background: transparent; color: inherit }
.buttons { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .8rem 0 .2rem }
button { font: inherit; padding: .45rem .9rem; border-radius: .4rem; border: 1px solid var(--soft); background: transparent; color: inherit; cursor: pointer }
button.main { background: var(--main); border-color: var(--main); color: #fff } button:hover { filter: brightness(1.15) }
:focus-visible { outline: 3px solid #3b7ddd; outline-offset: 2px }
ol { list-style: none; margin: .6rem 0 0; padding: 0; overflow-wrap: anywhere } ol > li + li { border-top: 1px solid var(--line) } ol > li { padding: .5rem 0 }
li div { font-size: .9rem } .event { font-weight: 600 } .permit { color: var(--good) } .drop { color: var(--bad) } .left { font-variant-numeric: tabular-nums }
a { color: inherit } @media (max-width: 50rem) { main { grid-template-columns: minmax(0, 1fr) } .panel { grid-column: 1; grid-row: auto } }
`;
