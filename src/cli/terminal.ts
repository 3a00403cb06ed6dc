import { once } from 'node:events';
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

/** Of a write after the reader, such as `head`, has closed the pipe. Node's pipes are sockets. */
const READER_GONE = new Set<string | undefined>(['EPIPE', 'ECONNRESET']);

export class Terminal {
  readonly #out: Stream;
  readonly #errors: Stream;

  constructor(out: Stream = process.stdout, errors: Stream = process.stderr) {
    this.#out = out;
    this.#errors = errors;
    for (const stream of [out, errors]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (READER_GONE.has(error.code)) process.exit(process.exitCode ?? 0);
        if (stream === out) this.note(`backwater: cannot write the output: ${error.message}`);
        process.exit(EXIT.usage);
      });
    }
  }

  get isInteractive(): boolean {
    return this.#out.isTTY;
  }

  get hasColours(): boolean {
    return hasColours(this.#out);
  }

  get showsProgress(): boolean {
    return this.#errors.isTTY;
  }

  print(line: string | Uint8Array): void {
    this.#out.write(typeof line === 'string' ? `${line}\n` : line);
  }

  async printItem(line: string): Promise<void> {
    if (!this.#out.write(`${line}\n`)) await once(this.#out, 'drain');
  }

  note(line: string): void {
    this.#errors.write(`${line}\n`);
  }

  progress(line: string): void {
    this.#errors.write(`\r\x1b[K${line}`);
  }

  style(text: string, style: keyof typeof STYLES): string {
    return styled(text, style, this.hasColours);
  }

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
