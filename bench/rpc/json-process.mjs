import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pinned } from './pin.mjs';

/** Milliseconds, after which a process that hangs ends the benchmark. */
const PATIENCE = 60_000;

/** A process that answers each line of JSON with one, and ends with its standard input. */
export class JsonProcess {
  #process;
  #lines;

  constructor(command, args, env = {}, role = 'other') {
    this.#process = spawn(...pinned(role, command, args), {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    // If it has ended, asking it fails; writing to it must not end this process.
    this.#process.stdin.on('error', () => {});
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  get pid() {
    return this.#process.pid;
  }

  async ask(command) {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await this.next(JSON.stringify(command));
    if (answer.failure !== undefined) throw new Error(answer.failure);
    return answer;
  }

  async next(what) {
    let timer;
    const patience = new Promise((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#process.kill('SIGKILL');
        reject(new Error(`no answer to ${what}`));
      }, PATIENCE);
    });
    try {
      const { value, done } = await Promise.race([this.#lines.next(), patience]);
      if (done) throw new Error(`a process ended instead of answering ${what}`);
      return JSON.parse(value);
    } finally {
      clearTimeout(timer);
    }
  }

  close() {
    this.#process.stdin.end();
  }
}

/** The other end of a {@link JsonProcess}. */
export async function answerCommands(answer) {
  for await (const line of createInterface(process.stdin)) {
    let result;
    try {
      result = await answer(JSON.parse(line));
    } catch (error) {
      result = { failure: String(error?.stack ?? error) };
    }
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  process.exit(0);
}
