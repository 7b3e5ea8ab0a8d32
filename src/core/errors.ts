// The one error class at the door, with its closed table of codes (contract section 3, RFC 9457).

const PROBLEMS = {
  invalid_json: { status: 400, title: 'The body is not valid JSON in UTF-8' },
  event_invalid: { status: 400, title: 'The event is not valid' },
  too_many_events: { status: 400, title: 'The batch holds too many events' },
  token_invalid: { status: 401, title: 'The bearer token is not known' },
  signature_invalid: { status: 401, title: 'The signature does not match the body' },
  origin_not_allowed: { status: 403, title: 'The Origin is not listed for any site' },
  not_found: { status: 404, title: 'There is nothing at this address' },
  method_not_allowed: { status: 405, title: 'The address does not know this method' },
  body_too_large: { status: 413, title: 'The body is larger than the limit' },
  unsupported_media_type: { status: 415, title: 'The media type or encoding is not supported' },
  rate_limited: { status: 429, title: 'Too many requests from this client' },
  headers_too_large: { status: 431, title: 'The headers are larger than the limit' },
  internal: { status: 500, title: 'An unexpected error happened' },
  unavailable: { status: 503, title: 'The log cannot be written now; nothing was accepted' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** What a client did wrong, or cannot have now. `detail` names keys and limits, never a value that was sent. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  readonly retryAfterSeconds: number | null;
  readonly allow: string | null;

  constructor(
    code: ProblemCode,
    detail?: string,
    more: { retryAfterSeconds?: number; allow?: string; cause?: unknown } = {},
  ) {
    super(detail ?? PROBLEMS[code].title, { cause: more.cause });
    this.name = 'Problem';
    this.code = code;
    this.status = PROBLEMS[code].status;
    this.title = PROBLEMS[code].title;
    this.retryAfterSeconds = more.retryAfterSeconds ?? null;
    this.allow = more.allow ?? null;
  }
}

/** The program cannot do what it was asked: bad arguments, configuration, keys or database. Exit code 2. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}
