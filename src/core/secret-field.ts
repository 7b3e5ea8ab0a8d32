// The zod field of a secret: by the time a schema sees it, the configuration has read `${env:NAME}` or `${file:/path}`.

import { z } from 'zod';
import { Secret } from './settings.ts';

/** A secret below a site. The value itself, written into the file, is refused and never printed. */
export const secretField = z.instanceof(Secret, {
  error: `must be \${env:NAME} or \${file:/path}, never the value itself`,
});
