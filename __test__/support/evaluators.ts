import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { encode } from '../../src/index.js';
import { projectRoot } from './root.js';
import { Silence } from './silence.js';

/** A silent program counts as broken after this many milliseconds. */
const ANSWER_TIMEOUT = 240_000;

let elixir: boolean | undefined;

/** With BACKWATER_REQUIRE_ERLANG=1, fails if Elixir is missing. */
export function elixirAvailable(): boolean {
  elixir ??= spawnSync('elixir', ['--version'], { stdio: 'ignore', timeout: 240_000 }).status === 0;
  if (!elixir && process.env['BACKWATER_REQUIRE_ERLANG'] === '1') {
    throw new Error('BACKWATER_REQUIRE_ERLANG is 1, but `elixir` cannot be run');
  }
  return elixir;
}

export class LinePeer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #kill = (): void => void this.#child.kill('SIGKILL');
  #complaints = '';

  constructor(program: 'escript' | 'elixir', script: string) {
    this.#child = spawn(program, [join(projectRoot(), '__test__', 'interop', script)], {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    process.once('exit', this.#kill);
    this.#child.stdin.on('error', () => {});
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-10_000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(questions: readonly string[]): Promise<string[]> {
    const silence = new Silence(ANSWER_TIMEOUT, this.#kill);
    silence.restart();
    try {
      for (const question of questions) this.#child.stdin.write(`${question}\n`);
      const answers: string[] = [];
      for (const question of questions) {
        let line = await this.#lines.next();
        while (line.done !== true && !line.value.startsWith('=')) line = await this.#lines.next();
        if (line.done === true) {
          throw new Error(`no answer to ${question.slice(0, 200)}: ${this.#complaints}`);
        }
        answers.push(line.value.slice(1));
        silence.restart();
      }
      return answers;
    } finally {
      silence.end();
    }
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    const timer = setTimeout(this.#kill, 5000);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    clearTimeout(timer);
    process.off('exit', this.#kill);
  }
}

export async function wronglyPrinted(
  peer: LinePeer,
  values: readonly unknown[],
  print: (value: unknown) => string,
): Promise<{ text: string; instead: string }[]> {
  const texts = values.map(print);
  const questions = texts.map(
    (text, index) =>
      `${Buffer.from(text).toString('base64')} ${encode(values[index]).toString('base64')}`,
  );
  const answers = await peer.ask(questions);
  return answers.flatMap((answer, index) =>
    answer === 'same'
      ? []
      : [{ text: texts[index]!, instead: Buffer.from(answer, 'base64').toString() }],
  );
}
