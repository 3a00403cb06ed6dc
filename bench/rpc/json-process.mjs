import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pinned } from './pin.mjs';

/** No request takes longer; a process that hangs ends the benchmark instead of hanging it. */
const PATIENCE = 60_000;

/** A process that answers each line of JSON with one. It ends with its standard input. */
export class JsonProcess {
  #process;
  #lines;

  constructor(command, args, env = {}, role = 'other') {
    this.#process = spawn(...pinned(role, command, args), {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    // Writing to one that has ended must not end this process: asking it fails.
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

  /** The next line, which `what` asks for. */
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

/** The other end: answers the commands of standard input. */
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
