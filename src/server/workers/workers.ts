import process from 'node:process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  MessageChannel,
  type MessagePort,
  Worker,
  type WorkerOptions as ThreadOptions,
} from 'node:worker_threads';
import { bridge, type Timer } from '../../bridge/bridge.js';
import type { DispatcherSettings } from '../dispatcher.js';
import { BackwaterError, OptionError } from '../../errors/errors.js';
import { now } from '../../platform/host.js';
import { inspectBriefly } from '../../platform/inspect.js';
import type { ServerSettings, WorkerOptions } from '../options.js';
import { isError, messageOf } from '../../platform/realms.js';
import {
  difference,
  type FromWorker,
  type FunctionTable,
  type ToWorker,
  type WorkerStart,
} from './messages.js';

/** Statistics of a worker thread. */
export interface WorkerStats {
  /** Node's number of the thread; undefined while a replacement starts. */
  readonly threadId: number | undefined;
  /** Calls that the thread has not answered. */
  readonly pending: number;
  /** Calls that the thread has started. */
  readonly calls: number;
  /** How many threads in this place have ended on their own. */
  readonly restarts: number;
}

/** In milliseconds. The pause before a replacement doubles each time. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
/** A thread that has served this long, in milliseconds, resets the pause. */
const STEADY = 10_000;
/** In milliseconds. */
const EXIT_PATIENCE = 1000;

interface Plan {
  readonly url: URL;
  readonly settings: DispatcherSettings;
  readonly options: WorkerOptions;
}

export class WorkerPool {
  readonly table: FunctionTable;
  readonly #slots: readonly Slot[];

  private constructor(slots: readonly Slot[], table: FunctionTable) {
    this.#slots = slots;
    this.table = table;
  }

  /** @param given without functions, which cannot cross to threads */
  static async start(url: URL, given: ServerSettings): Promise<WorkerPool> {
    const { workers = availableParallelism(), workerOptions: options = {}, ...settings } = given;
    const plan = { url, settings, options };
    const slots = Array.from({ length: workers }, (_, number) => new Slot(number, plan));
    try {
      const [first, ...others] = await Promise.all(slots.map((slot) => slot.start()));
      for (const table of others) checkSame(first!, table, url);
      return new WorkerPool(slots, first!);
    } catch (error) {
      await Promise.all(slots.map((slot) => slot.end()));
      throw error;
    }
  }

  async serve(server: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.serve(server, this.table)));
  }

  stats(
    figures: readonly { slot: number; pending: number; calls: number }[],
  ): readonly WorkerStats[] {
    return this.#slots.map(({ number, threadId, restarts }) => {
      const found = figures.find(({ slot }) => slot === number);
      return { threadId, pending: found?.pending ?? 0, calls: found?.calls ?? 0, restarts };
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.end()));
  }
}

/** The place of a thread and its replacements. */
class Slot {
  readonly number: number;
  restarts = 0;
  readonly #plan: Plan;
  #thread: Worker | undefined;
  #port: MessagePort | undefined;
  #served: { readonly server: number; readonly table: FunctionTable } | undefined;
  #ending = false;
  #timer: Timer | undefined;
  #pause = FIRST_PAUSE;

  constructor(number: number, plan: Plan) {
    this.number = number;
    this.#plan = plan;
  }

  get threadId(): number | undefined {
    return this.#thread?.threadId;
  }

  start(): Promise<FunctionTable> {
    const { url, settings, options } = this.#plan;
    const { port1: port, port2 } = new MessageChannel();
    const start: WorkerStart = { port: port2, url: url.href, settings };
    const thread = startThread({
      name: 'backwater',
      ...flagsForThreads(),
      ...options,
      workerData: { backwater: start },
      transferList: [port2],
    });
    this.#thread = thread;
    this.#port = port;
    return new Promise((resolve, reject) => {
      let failure: unknown;
      let ready = 0;
      port.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          ready = now();
          resolve(message.table);
        } else if (message.kind === 'failed') {
          reject(importFailure(url, message));
          void thread.terminate();
        }
      });
      thread.on('error', (error) => {
        failure = error;
      });
      thread.on('exit', (code) => {
        port.close();
        this.#thread = undefined;
        const cause = failure ?? new Error(`it ended by itself, with exit code ${code}`);
        reject(importFailure(url, { error: cause }));
        if (ready > 0) this.#replace(cause, now() - ready);
      });
    });
  }

  /** Resolves when the thread serves, or has ended and will be replaced. */
  async serve(server: number, table: FunctionTable): Promise<void> {
    this.#served = { server, table };
    const thread = this.#thread;
    if (thread === undefined) return this.#replace(new Error('it ended while it was starting'), 0);
    const serving = new Promise<void>((resolve) => {
      this.#port?.on('message', ({ kind }: FromWorker) => {
        if (kind === 'serving') resolve();
      });
      thread.once('exit', () => resolve());
    });
    this.#post({ kind: 'serve', server, slot: this.number });
    await serving;
  }

  async end(): Promise<void> {
    this.#ending = true;
    this.#timer?.stop();
    const thread = this.#thread;
    if (thread === undefined) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    this.#post({ kind: 'exit' });
    const timer = bridge.startTimer(() => void thread.terminate(), EXIT_PATIENCE);
    await ended;
    timer.stop();
  }

  #post(message: ToWorker): void {
    this.#port?.postMessage(message);
  }

  #replace(cause: unknown, lifetime: number): void {
    if (this.#ending || this.#served === undefined) return;
    this.restarts++;
    if (lifetime >= STEADY) this.#pause = FIRST_PAUSE;
    // Spreads the restarts of threads that ended for the same reason.
    const pause = Math.round(this.#pause * (0.5 + Math.random() / 2));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    warn(`a worker thread has ended and will be replaced in ${pause} ms`, cause);
    this.#timer = bridge.startTimer(() => void this.#restart(), pause);
  }

  async #restart(): Promise<void> {
    try {
      const table = await this.start();
      const { server, table: expected } = this.#served!;
      checkSame(expected, table, this.#plan.url);
      if (this.#ending) return;
      this.#post({ kind: 'serve', server, slot: this.number });
    } catch (error) {
      const failed = this.#thread;
      this.#thread = undefined;
      await failed?.terminate();
      this.#replace(error, 0);
    }
  }
}

function startThread(options: ThreadOptions): Worker {
  const file = join(__dirname, 'worker-main.js');
  if (!existsSync(file)) {
    throw new OptionError(
      `workers: ${file} does not exist; a bundled copy of backwater cannot start worker threads: mark the package as external`,
      { option: 'workers' },
    );
  }
  try {
    return new Worker(file, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw error;
    const text = 'workers: with --permission, Node also needs --allow-worker for worker threads';
    throw new OptionError(text, { option: 'workers', cause: error });
  }
}

/** Threads inherit the process's flags. A list of flags must not contain `--input-type` or V8's flags. */
function flagsForThreads(): Pick<ThreadOptions, 'execArgv'> {
  const flags = process.execArgv.filter((flag) => !flag.startsWith('--input-type'));
  return flags.length === process.execArgv.length ? {} : { execArgv: flags };
}

function checkSame(expected: FunctionTable, table: FunctionTable, url: URL): void {
  const found = difference(expected, table);
  if (found === undefined) return;
  throw new OptionError(
    `the exports of ${url.href} are not the same in all worker threads: ${found}`,
    { option: 'modules' },
  );
}

function importFailure(
  url: URL,
  { error, option }: { readonly error: unknown; readonly option?: string | undefined },
): Error {
  const text = messageOf(error);
  if (option !== undefined) return new OptionError(text, { option, cause: error });
  return new BackwaterError(`a worker thread cannot import ${url.href}: ${text}`, { cause: error });
}

function warn(text: string, cause: unknown): void {
  const detail = isError(cause) ? (cause.stack ?? cause.message) : inspectBriefly(cause);
  process.emitWarning(text, { type: 'BackwaterWarning', code: 'BACKWATER_WORKER_ENDED', detail });
}
