import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { GOOD, openReader } from './reading.ts';

const { folder, read, mistakes } = openReader();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('overrides from the environment', () => {
  it('reach every key, lists by index, and are read as YAML', () => {
    const config = read(GOOD, {
      SLUICE_LISTEN__COLLECT__PORT: '0',
      SLUICE_LIMITS__BODY_BYTES: '1024',
      SLUICE_LOG__LEVEL: 'debug',
      SLUICE_REGION__HEADER: 'null',
      SLUICE_RETENTION__DROPLINKS: '7d',
      SLUICE_DELIVERY__RETRY_SCHEDULE_MS: '[1, 2]',
      SLUICE_SITES__0__ORIGINS__1: 'https://www.shop.example',
      SLUICE_SITES__0__META__DATASET_ID: '00777',
      SLUICE_SITES__0__KLAVIYO__EVENTS__SIGN_UP: 'welcome',
      SLUICE_SERVER_TOKEN: 'not an override',
    });
    expect(config.listen.collect.port).toBe(0);
    expect(config.limits.bodyBytes).toBe(1024);
    expect(config.log.level).toBe('debug');
    expect(config.region.header).toBeNull();
    expect(config.retention.dropLinksMs).toBe(7 * 86_400_000);
    expect(config.delivery.retryScheduleMs).toEqual([1, 2]);
    expect(config.sites[0]?.origins).toEqual(['https://shop.example', 'https://www.shop.example']);
    expect(config.sites[0]?.destinations.get('meta')).toMatchObject({ datasetId: '00777' });
    expect(config.sites[0]?.destinations.get('klaviyo')).toMatchObject({ events: { sign_up: 'welcome' } });
  });

  it('that are wrong name the variable and the nearest one', () => {
    const found = mistakes(GOOD, {
      SLUICE_LISTEN__COLLECT__PROT: '1',
      SLUICE_LIMITS__BODY_BYTES: 'many',
      SLUICE_SITES__7__ID: 'x',
      SLUICE_SITES__0__META__ACCESS_TOKEN: 'EAAcanary77',
    });
    expect(found.map(({ file, line, key, nearest }) => [file, line, key, nearest])).toEqual([
      ['environment', null, 'SLUICE_LIMITS__BODY_BYTES', null],
      ['environment', null, 'SLUICE_LISTEN__COLLECT__PROT', 'SLUICE_LISTEN__COLLECT__PORT'],
      ['environment', null, 'SLUICE_SITES__0__META__ACCESS_TOKEN', null],
      ['environment', null, 'SLUICE_SITES__7__ID', null],
    ]);
    expect(JSON.stringify(found)).not.toContain('EAAcanary77');
  });
});
