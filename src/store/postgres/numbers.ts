// How numbers are made that are unique over all chains: of events, jobs and evidence; and which partition a lane is in.

import { JOB_STRIDE } from '../sqlite/jobs.ts';

/** An event's number: its chain in the upper bits, the seq of its first decision in the lower forty. */
export const EVENT_STRIDE = 2 ** 40;
/** Numbers of evidence, like those of jobs, begin anew so far apart for each chain. */
export const CHAIN_STRIDE = EVENT_STRIDE * JOB_STRIDE;
/** Lanes are hashed into so many partitions. */
export const PARTITIONS = 64;

/** Where an entry stands. */
export interface EntryRef {
  readonly chain: number;
  readonly seq: number;
}

export const eventOf = (jobId: number): number => Math.floor(jobId / JOB_STRIDE);
export const eventNumber = ({ chain, seq }: EntryRef): number => chain * EVENT_STRIDE + seq;
/** The first decision of a job's event. */
export const firstDecision = (jobId: number): EntryRef => {
  const event = eventOf(jobId);
  return { chain: Math.floor(event / EVENT_STRIDE), seq: event % EVENT_STRIDE };
};

/** Both destinations of a person lie in one partition, so that a release never leaves its node. */
export const partitionOf = (lane: string): number => lane.charCodeAt(0) % PARTITIONS;
