// Addresses of pages without the personal data that shops and mail tools write into them.

const EMAIL = /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}/u;
// With a plus in front, or under a name that says so. Bare digits are order numbers far more often.
const PHONE = /\+[1-9](?:[\s().-]?\d){6,14}(?!\d)/;
const PHONE_NAME = /^(?:phone|phone_?number|tel|telephone|mobile|msisdn|sms)$/i;
const MIN_PHONE_DIGITS = 7;
const MAX_DECODINGS = 3;

/** True where a text holds an e-mail address or an international phone number in clear. */
export function holdsPersonalData(text: string): boolean {
  return EMAIL.test(text) || PHONE.test(text);
}

/**
 * The address as it is, without user, and without the parameters, path segments and fragment that hold an e-mail address
 * or a phone number, however often they are encoded. Null for what is no http(s) address.
 */
export function cleanUrl(text: string | undefined): string | null {
  const url = URL.parse(text?.trim() ?? '');
  if (url === null || !/^https?:$/.test(url.protocol)) return null;
  const path = url.pathname
    .split('/')
    .map((segment) => (isPersonal(segment) ? '-' : segment))
    .join('/');
  const query = url.search.slice(1).split('&').filter(isKeptParameter).join('&');
  const fragment = isPersonal(url.hash) ? '' : url.hash;
  return `${url.protocol}//${url.host}${path}${query === '' ? '' : `?${query}`}${fragment}`;
}

/** The address down to its path: nothing that a click, a mail or a form left in it. */
export function bareUrl(text: string | undefined): string | null {
  return cleanUrl(text)?.replace(/[?#].*$/s, '') ?? null;
}

function isKeptParameter(parameter: string): boolean {
  const [name = '', ...rest] = parameter.split('=');
  const value = rest.join('=');
  if (isPersonal(parameter)) return false;
  return !(PHONE_NAME.test(decode(name)) && decode(value).replace(/\D/g, '').length >= MIN_PHONE_DIGITS);
}

function isPersonal(part: string): boolean {
  return holdsPersonalData(decode(part));
}

function decode(text: string): string {
  let decoded = text;
  for (let i = 0; i < MAX_DECODINGS && decoded.includes('%'); i += 1) {
    // Byte by byte where it is not UTF-8: what cannot be decoded as a whole is looked at all the same.
    decoded = decoded.replace(/(?:%[0-9a-f]{2})+/gi, decodeRun);
  }
  return decoded;
}

function decodeRun(run: string): string {
  return Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8');
}
