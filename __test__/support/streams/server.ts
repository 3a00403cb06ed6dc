import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { Client, ServerOptions, ServerStats } from '../../../src/index.js';
import { eventually } from '../stalling.js';
import type { Order } from './server-child.js';

const program = fileURLToPath(new URL('./server-child.js', import.meta.url));

/** A server in a separate process, with functions.ts as module `s`. */
export class RemoteServer {
  readonly url: string;
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #orders = 0;

  private constructor(process: ChildProcess) {
    this.process = process;
    this.url = '';
    process.on('message', ({ number, answer }: { number: number; answer: unknown }) => {
      this.#waiting.get(number)?.(answer);
      this.#waiting.delete(number);
    });
  }

  static async start(t: ExecutionContext, options: ServerOptions = {}): Promise<RemoteServer> {
    const child = fork(program, { serialization: 'advanced' });
    t.teardown(() => child.kill('SIGKILL'));
    const server = new RemoteServer(child);
    const url = (await server.#ask('start', options)) as string;
    return Object.assign(server, { url });
  }

  stats(): Promise<ServerStats> {
    return this.#ask('stats') as Promise<ServerStats>;
  }

  async close(timeout: number): Promise<void> {
    await this.#ask('close', { timeout });
  }

  /** The expressions may match in any order. */
  async noted(t: ExecutionContext, ...expected: readonly string[]): Promise<void> {
    const seen: string[] = [];
    await eventually(`${expected.join(', ')}; there was ${seen.join(', ')}`, async () => {
      seen.push(...((await this.#ask('notes')) as string[]));
      return seen.length >= expected.length;
    });
    seen.sort();
    for (const [index, source] of expected.toSorted().entries()) {
      t.regex(seen[index]!, new RegExp(`^${source}$`));
    }
    t.is(seen.length, expected.length);
  }

  async settled(t: ExecutionContext, client?: Client): Promise<void> {
    let left: unknown;
    await eventually('nothing is left of the calls', async () => {
      const { pending, abandoned, streams, bytesInFlight } = await this.stats();
      const own = client?.stats();
      left = { pending, abandoned, streams, bytesInFlight, own: own?.pending, more: own?.streams };
      return Object.values(left as object).every((figure) => figure === 0 || figure === undefined);
    });
    t.pass(JSON.stringify(left));
  }

  #ask(what: Order['what'], options?: Order['options']): Promise<unknown> {
    const number = this.#orders++;
    return new Promise((resolve) => {
      this.#waiting.set(number, resolve);
      this.process.send({ number, what, options } as Order);
    });
  }
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Throws if the stream ends or fails twice. */
export async function untilFailure<T>(
  stream: AsyncIterable<T>,
): Promise<{ readonly items: T[]; readonly error: unknown }> {
  const items: T[] = [];
  const iterator = stream[Symbol.asyncIterator]();
  for (;;) {
    let step: IteratorResult<T>;
    try {
      step = await iterator.next();
    } catch (error) {
      const after = await iterator.next();
      if (after.done !== true) throw new Error('a stream goes on after its error');
      return { items, error };
    }
    if (step.done === true) throw new Error(`the stream ended after ${items.length} items`);
    items.push(step.value);
  }
}
