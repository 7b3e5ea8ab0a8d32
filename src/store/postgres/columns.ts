// Rows turned into columns, one binary array each.

import { binaryArray, type Element, type ElementType } from './arrays.ts';
import type { Parameter, Statement } from './connection.ts';

/** A statement with its parameters. */
export type Sent = readonly [Statement, readonly Parameter[]];

/** The type of a column, and its value in a row. */
export type Column<T> = readonly [ElementType, (row: T) => Element];

/** One parameter a column. */
export function columnsOf<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly Parameter[] {
  return columns.map(([type, of]) => binaryArray(type, rows.map(of)));
}
