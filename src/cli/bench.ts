import { createHistogram } from 'node:perf_hooks';
import type { Client } from '../client/client.js';
import { type Command, numberOf, takeArgs, timeOf } from './command.js';
import { EXIT, messageOf, statusOf } from './exit.js';
import { clientFlags, clientOf } from './target.js';
import type { Terminal } from './terminal.js';
import { inputFlags, readArguments } from './values.js';
import { UsageError } from './usage-error.js';

const FIRST_CALLS = 10;
const PERCENTILES = [50, 90, 95, 99, 99.9];

export const bench: Command = {
  name: 'bench',
  summary: 'Measure the rate and latency of calls',
  usage: 'URL MODULE FUNCTION [ARGUMENT...] [OPTIONS]',
  details: [
    'Makes calls as fast as the server answers, up to --concurrency at a time, until --duration has passed or --calls have been made. With --rate, calls start at fixed times; if the server falls behind, latency is measured from when a call should have started.',
    'Ctrl-C ends the run early. It also ends if the first calls all fail (10, or --concurrency if that is more). If any call fails, the most frequent failure determines the exit status.',
  ],
  flags: {
    ...inputFlags,
    duration: {
      value: 'TIME',
      short: 'd',
      help: 'length of the run (default 10s, or none with --calls)',
    },
    calls: { value: 'N', short: 'n', help: 'number of calls' },
    concurrency: { value: 'N', short: 'c', help: 'calls in flight (default 16)' },
    rate: { value: 'N', short: 'r', help: 'calls per second (default as many as possible)' },
    json: { help: 'print JSON, with latencies in milliseconds' },
  },
  connection: clientFlags,
  examples: [
    [`bench 127.0.0.1 string to_upper '"x"' --secret-file secret`, 'Run for ten seconds'],
    [
      `bench 127.0.0.1 string to_upper '"x"' -r 2000 -d 1m --secret-file secret`,
      'Measure the latency at 2000 calls per second',
    ],
  ],
  async run(args, flags, terminal) {
    const [url, module, fn, ...texts] = takeArgs(args, ['URL', 'MODULE', 'FUNCTION'], true);
    const values = readArguments(texts, flags);
    const calls = numberOf(flags, 'calls', { min: 1, max: 1e12 });
    const duration = timeOf(flags, 'duration') ?? (calls === undefined ? 10_000 : undefined);
    const concurrency = numberOf(flags, 'concurrency', { min: 1, max: 10_000 }) ?? 16;
    const rate = numberOf(flags, 'rate', { min: 1, max: 1e6 });
    const client = clientOf(url!, flags, {
      maxConnections: concurrency,
      objectKeys: flags.has('atom-keys') ? 'atom' : 'binary',
    });
    const run = new Run(client, { module: module!, fn: fn!, values });
    try {
      await run.measure({ calls, duration, concurrency, rate }, terminal);
    } finally {
      await client.close();
    }
    if (flags.has('json')) terminal.print(JSON.stringify(run.figures()));
    else report(run, terminal);
    return run.status;
  },
};

interface Load {
  readonly calls: number | undefined;
  readonly duration: number | undefined;
  readonly concurrency: number;
  readonly rate: number | undefined;
}

class Run {
  /** In nanoseconds. */
  readonly latencies = createHistogram();
  readonly failures = new Map<string, { count: number; status: number }>();
  failed = 0;
  isHopeless = false;
  /** Milliseconds. */
  elapsed = 0;
  readonly #client: Client;
  readonly #target: { module: string; fn: string; values: readonly unknown[] };
  #begun = 0;
  #stopped = false;

  constructor(client: Client, target: { module: string; fn: string; values: readonly unknown[] }) {
    this.#client = client;
    this.#target = target;
  }

  async measure(load: Load, terminal: Terminal): Promise<void> {
    const start = performance.now();
    const stop = (): void => void (this.#stopped = true);
    process.once('SIGINT', stop);
    const timer = terminal.showsProgress
      ? setInterval(() => terminal.progress(this.#progress(performance.now() - start)), 500)
      : undefined;
    const callers = Array.from({ length: load.concurrency }, () => this.#caller(load, start));
    try {
      await Promise.all(callers);
    } finally {
      clearInterval(timer);
      if (timer !== undefined) terminal.progress('');
      process.off('SIGINT', stop);
    }
    this.elapsed = performance.now() - start;
  }

  get status(): number {
    const [most] = [...this.failures.values()].sort((a, b) => b.count - a.count);
    return most?.status ?? EXIT.ok;
  }

  figures(): object {
    const { latencies, failed, elapsed, failures } = this;
    const percentiles = PERCENTILES.map((percent) => {
      return [`p${percent}`, latencies.percentile(percent) / 1e6];
    });
    return {
      calls: latencies.count,
      failed,
      seconds: elapsed / 1000,
      callsPerSecond: (latencies.count / elapsed) * 1000,
      latency: {
        min: latencies.count === 0 ? 0 : latencies.min / 1e6,
        mean: latencies.count === 0 ? 0 : latencies.mean / 1e6,
        ...Object.fromEntries(percentiles),
        max: latencies.max / 1e6,
      },
      failures: Object.fromEntries([...failures].map(([text, { count }]) => [text, count])),
    };
  }

  async #caller({ calls, duration, rate, concurrency }: Load, start: number): Promise<void> {
    const end = duration === undefined ? Infinity : start + duration;
    const { module, fn, values } = this.#target;
    for (;;) {
      const number = this.#begun++;
      if (this.#stopped || number >= (calls ?? Infinity)) return;
      const due = rate === undefined ? performance.now() : start + (number / rate) * 1000;
      if (due >= end || performance.now() >= end) return;
      await this.#until(due);
      if (this.#stopped) return;
      const begin = rate === undefined ? performance.now() : due;
      try {
        await this.#client.call(module, fn, values);
        this.latencies.record(Math.max(1, Math.round((performance.now() - begin) * 1e6)));
      } catch (error) {
        this.#fail(error);
        if (this.latencies.count === 0 && this.failed >= Math.max(FIRST_CALLS, concurrency)) {
          this.isHopeless = this.#stopped = true;
        }
        // Calls that fail at once must not starve the event loop.
        await new Promise((done) => setImmediate(done));
      }
    }
  }

  async #until(due: number): Promise<void> {
    for (let left = due - performance.now(); left > 0; left = due - performance.now()) {
      if (this.#stopped) return;
      // Timers fire up to a millisecond late.
      if (left > 2) await new Promise((done) => setTimeout(done, Math.min(left - 1, 200)));
      else await new Promise((done) => setImmediate(done));
    }
  }

  #fail(error: unknown): void {
    this.failed++;
    const text = messageOf(error, false);
    const known = this.failures.get(text);
    if (known !== undefined) known.count++;
    else if (this.failures.size < 100) {
      this.failures.set(text, { count: 1, status: statusOf(error) });
    }
    if (error instanceof UsageError || statusOf(error) === EXIT.usage) {
      this.#stopped = true;
      throw error;
    }
  }

  #progress(elapsed: number): string {
    const { count } = this.latencies;
    const failures = this.failed === 0 ? '' : `, ${this.failed} failed`;
    const seconds = (elapsed / 1000).toFixed(0);
    const p99 = milliseconds(this.latencies.percentile(99) / 1e6);
    return `${seconds} s: ${count} calls, ${perSecond(count, elapsed)}/s, p99 ${p99}${failures}`;
  }
}

function report(run: Run, terminal: Terminal): void {
  const { latencies, elapsed, failed, failures } = run;
  const rate = terminal.style(`${perSecond(latencies.count, elapsed)} calls/s`, 'bold');
  terminal.print(`${latencies.count} calls in ${(elapsed / 1000).toFixed(2)} s: ${rate}`);
  if (failed > 0) {
    terminal.print(terminal.style(`${failed} failed`, 'red'));
    for (const [text, { count }] of failures) terminal.print(`  ${count} × ${text}`);
    if (run.isHopeless) terminal.print('Stopped early because no call succeeded.');
  }
  if (latencies.count === 0) return;
  terminal.print('');
  terminal.print(
    [
      ['min', latencies.min] as const,
      ...PERCENTILES.map((percent) => [`p${percent}`, latencies.percentile(percent)] as const),
      ['max', latencies.max] as const,
    ]
      .map(([name, nanoseconds]) => `${name} ${milliseconds(nanoseconds / 1e6)}`)
      .join('   '),
  );
}

function perSecond(count: number, elapsed: number): string {
  return Math.round((count / Math.max(elapsed, 1)) * 1000).toString();
}

function milliseconds(time: number): string {
  return `${time < 10 ? time.toFixed(2) : time < 100 ? time.toFixed(1) : time.toFixed(0)} ms`;
}
