// Metrics of the store half (contract section 8): the queue, deliveries, commits. No ids and no free text in labels.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

const JOB_STATES = ['due', 'waiting', 'in_flight', 'retrying', 'paused', 'dead'] as const;
type JobState = (typeof JOB_STATES)[number];

/** What the gauges are read from when somebody asks. */
export interface QueueReading {
  readonly destinations: readonly string[];
  queue(destination: string): Promise<{ readonly [S in JobState]: number } & { readonly oldestMs: number | null }>;
  nowMs(): number;
  newestSeq(): number;
}

export interface DeliveryMetrics {
  delivered(delivery: {
    site: string;
    destination: string;
    outcome: string;
    durationMs: number | null;
    sinceAcceptMs: number;
  }): void;
  committed(events: number, durationMs: number): void;
  orderViolation(): void;
  /** The Prometheus text format. */
  text(): Promise<string>;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 300, 3600];

/** Makes the registry of the store half. */
export function createDeliveryMetrics(reading: QueueReading): DeliveryMetrics {
  const registers = [new Registry()];
  registerGauges(reading, registers);
  const deliveries = new Counter({
    name: 'sluice_deliveries_total',
    help: 'Recorded outcomes of deliveries',
    labelNames: ['site', 'destination', 'outcome'],
    registers,
  });
  const commit = histogram('sluice_commit_duration_seconds', 'Transaction of a commit, fsync included', [], registers);
  const batch = new Histogram({
    name: 'sluice_commit_batch_events',
    help: 'Events and settlements in one commit',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  const duration = histogram(
    'sluice_delivery_duration_seconds',
    'One attempt, recording included',
    ['destination'],
    registers,
  );
  const endToEnd = histogram(
    'sluice_end_to_end_seconds',
    'From acceptance to the accepted delivery',
    ['destination'],
    registers,
  );
  const violations = new Counter({
    name: 'sluice_order_violations_total',
    help: 'Sends that were stopped because their release was not committed: must stay 0',
    registers,
  });

  return {
    delivered({ site, destination, outcome, durationMs, sinceAcceptMs }) {
      deliveries.inc({ site, destination, outcome });
      if (durationMs !== null) duration.observe({ destination }, durationMs / 1000);
      if (outcome === 'accepted') endToEnd.observe({ destination }, sinceAcceptMs / 1000);
    },
    committed(events, durationMs) {
      commit.observe(durationMs / 1000);
      batch.observe(events);
    },
    orderViolation: () => violations.inc(),
    text: () => (registers[0] ?? new Registry()).metrics(),
  };
}

function histogram(name: string, help: string, labelNames: string[], registers: Registry[]): Histogram<string> {
  return new Histogram({ name, help, labelNames, buckets: SECONDS, registers });
}

function registerGauges(reading: QueueReading, registers: Registry[]): void {
  const gauge = (name: string, help: string, set: (this: Gauge<'destination'>, destination: string) => Promise<void>) =>
    new Gauge({
      name,
      help,
      labelNames: ['destination'],
      registers,
      async collect() {
        await Promise.all(reading.destinations.map((destination) => set.call(this, destination)));
      },
    });
  new Gauge({
    name: 'sluice_outbox_jobs',
    help: 'Jobs that are not finished',
    labelNames: ['destination', 'state'],
    registers,
    async collect() {
      for (const destination of reading.destinations) {
        const queue = await reading.queue(destination);
        for (const state of JOB_STATES) this.set({ destination, state }, queue[state]);
      }
    },
  });
  gauge('sluice_outbox_oldest_seconds', 'Age of the oldest job that is not finished', async function (destination) {
    const { oldestMs } = await reading.queue(destination);
    this.set({ destination }, oldestMs === null ? 0 : (reading.nowMs() - oldestMs) / 1000);
  });
  gauge(
    'sluice_dead_letters',
    'Deliveries that ended without success and can be retried',
    async function (destination) {
      this.set({ destination }, (await reading.queue(destination)).dead);
    },
  );
  new Gauge({
    name: 'sluice_log_seq',
    help: 'The newest entry of the log',
    registers,
    collect() {
      this.set(reading.newestSeq());
    },
  });
}
