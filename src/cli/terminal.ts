import type { WriteStream } from 'node:tty';
import { EXIT } from './exit.js';

type Stream = NodeJS.WriteStream & Partial<Pick<WriteStream, 'hasColors'>>;

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

/** Where the program prints. */
export class Terminal {
  readonly #out: Stream;
  readonly #errors: Stream;

  constructor(out: Stream = process.stdout, errors: Stream = process.stderr) {
    this.#out = out;
    this.#errors = errors;
    // Who reads has seen enough: that is no failure.
    for (const stream of [out, errors]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
        if (stream === out) this.note(`backwater: the output cannot be written: ${error.message}`);
        process.exit(EXIT.usage);
      });
    }
  }

  /** Whether results go to a person rather than to a program. */
  get isInteractive(): boolean {
    return this.#out.isTTY;
  }

  /** Whether results may have colours: on a terminal, unless NO_COLOR is set. */
  get hasColours(): boolean {
    return hasColours(this.#out);
  }

  /** Whether progress is of use to somebody. */
  get showsProgress(): boolean {
    return this.#errors.isTTY;
  }

  /** A line of a result. */
  print(line: string | Uint8Array): void {
    this.#out.write(typeof line === 'string' ? `${line}\n` : line);
  }

  /** A line about what is going on, or went wrong. */
  note(line: string): void {
    this.#errors.write(`${line}\n`);
  }

  /** Puts a line in the place of the one before it. */
  progress(line: string): void {
    this.#errors.write(`\r\x1b[K${line}`);
  }

  /** Text of a result in a style, where there are colours. */
  style(text: string, style: keyof typeof STYLES): string {
    return styled(text, style, this.hasColours);
  }

  /** The same for notes. */
  noteStyle(text: string, style: keyof typeof STYLES): string {
    return styled(text, style, hasColours(this.#errors));
  }
}

function hasColours(stream: Stream): boolean {
  return stream.isTTY && stream.hasColors?.() === true;
}

function styled(text: string, style: keyof typeof STYLES, colours: boolean): string {
  const [on, off] = STYLES[style];
  return colours ? `\x1b[${on}m${text}\x1b[${off}m` : text;
}
