import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // No configuration reaches the PostgreSQL store yet: its tests run by `npm run test:postgres`.
    exclude: process.env['SLUICE_TEST_POSTGRES'] ? ['test/bench/**'] : ['test/bench/**', 'test/**/postgres*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
