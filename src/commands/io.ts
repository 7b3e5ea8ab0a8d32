// What a command may touch of the outside: given to it, so that a test can stand in for the terminal.

export interface CommandIo {
  /** Results. */
  stdout(text: string): void;
  /** Everything that is no result: mistakes, hints, progress. */
  stderr(text: string): void;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Whether results may be coloured. */
  readonly color: boolean;
  /** 0 good, 1 a violation or a refused action, 2 could not run. */
  exit(code: number): void;
}
