// Terminates execution in the codec as SCENARIO says, and prints as JSON what worked afterwards.
import { createContext, runInContext, runInThisContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import {
  atom,
  Client,
  decode,
  encode,
  encodeRequest,
  float,
  startClearServer,
  type Term,
  tuple,
} from '../../src/index.js';

const secret = 'a secret for tests, 32 bytes long!';
/** Every part of a tape: shapes, atoms, all kinds of text, doubles, and bytes. */
const sample = (): unknown => [
  { id: 1, name: 'a text that is too long to be packed', wide: 'ü'.repeat(30), score: 1.5 },
  tuple(atom('ok'), new Map<unknown, unknown>([[{ a: 1 }, Buffer.from([255, 0])]]), 2n ** 70n),
  [float(1), [0.5, 1.5], 'short', atom('another'), null],
];
const expected = Buffer.from(encode(sample())).toString('hex');

const never = {
  get value(): never {
    for (;;);
  },
};

function works(): boolean {
  return [1, 2].every(() => {
    const bytes = Buffer.from(encode(sample()));
    if (bytes.toString('hex') !== expected) return false;
    const exact = { terms: 'exact' } as const;
    return encode(decode(bytes, exact)).toString('hex') === expected;
  });
}

/** Has V8 terminate a program that does not end. */
function terminate(program: string, globals: Record<string, unknown>, timeout = 5): void {
  try {
    runInContext(program, createContext(globals), { timeout });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return;
    throw error;
  }
}

function nearTheEnd(act: () => void, frames: number): void {
  let left = 0;
  const dive = (depth: number): void => {
    try {
      dive(depth + 1);
    } catch {
      left = depth;
    }
  };
  dive(0);
  const descend = (depth: number): void => {
    if (depth === 0) act();
    else descend(depth - 1);
  };
  descend(Math.max(0, left - frames));
}

type Outcome = Record<string, unknown>;
const scenarios: Record<string, () => Outcome | Promise<Outcome>> = {
  encoding() {
    const values = [never, [sample(), never, sample()], { a: sample(), b: [never] }];
    const nested = {
      get value(): Buffer {
        return encode([sample(), never]);
      },
    };
    const all = [...values, new Map([[{ b: never }, 1]]), nested, [sample(), nested]];
    const worked = all.map((value) => {
      terminate('encode(value)', { encode, value });
      return works();
    });
    return { worked };
  },

  'encoding, at any place'() {
    const value = Array.from({ length: 5000 }, sample);
    const worked = Array.from({ length: 60 }, (_, index) => {
      terminate('for (;;) encode(value)', { encode, value }, 1 + (index % 20));
      return works();
    });
    return { worked };
  },

  'decoding, at any place'() {
    const bytes = encode(Array.from({ length: 5000 }, sample));
    const worked = Array.from({ length: 60 }, (_, index) => {
      const exact = { terms: index % 2 === 0 ? 'js' : 'exact' };
      terminate('for (;;) decode(bytes, exact)', { decode, bytes, exact }, 1 + (index % 20));
      return works();
    });
    return { worked };
  },

  interrupts() {
    const value = {
      get interrupted(): never {
        process.kill(process.pid, 'SIGINT');
        for (;;);
      },
    };
    Object.assign(globalThis, { encode, value });
    const worked = Array.from({ length: 5 }, () => {
      try {
        runInThisContext('encode([value, value])', { breakOnSigint: true });
      } catch (error) {
        return (error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' && works();
      }
      return false;
    });
    return { worked };
  },

  'a full stack'() {
    const endless = (): never => endless();
    const value = {
      get value(): never {
        return endless();
      },
    };
    let deep: Term = [];
    for (let depth = 1; depth < 1000; depth++) deep = depth % 2 === 0 ? [deep] : { a: deep };
    const bytes = encode(deep);
    const errors = new Set<string>();
    const attempt = (act: () => unknown): boolean => {
      try {
        act();
      } catch (error) {
        errors.add((error as Error).name);
      }
      return works();
    };
    const worked = [attempt(() => encode([sample(), value]))];
    for (const frames of [2, 20, 50, 100, 200, 500, 1000]) {
      worked.push(attempt(() => nearTheEnd(() => encode(deep), frames)));
      worked.push(attempt(() => nearTheEnd(() => encode(sample()), frames)));
      worked.push(attempt(() => nearTheEnd(() => decode(bytes), frames)));
    }
    return { worked, errors: [...errors] };
  },

  async calls() {
    const modules = {
      m: { echo: (value: unknown) => value, size: () => 0 },
    };
    const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
    const client = new Client({ url: server.url, secret });
    const abort = new AbortController();
    const call = (value: unknown, options = {}): Promise<unknown> =>
      client.call('m', 'echo', [value], options);
    const rounds = await Promise.all(
      Array.from({ length: 10 }, async (_, round) => {
        const before = call(round);
        const aborted = call('x', { signal: abort.signal });
        terminate('call(value)', { call, value: [sample(), never] });
        terminate('encode(value)', { encode, value: never });
        const large = call(Buffer.alloc(200_000, round));
        const after = [1, 2, 3].map((add) => call(round + add));
        abort.abort(new Error('mine'));
        const reasons = await Promise.allSettled([aborted]);
        return [
          await before,
          ...(await Promise.all(after)),
          ((await large) as string | Buffer).length,
          (reasons[0] as PromiseRejectedResult).reason?.message,
        ];
      }),
    );
    const request = encodeRequest({ url: server.url, secret }, 'm', 'size', [1, 2]);
    const { pending } = client.stats();
    await client.close();
    await server.close();
    return { rounds, pending, request: request.body.length > 0, worked: [works()] };
  },

  async 'a worker'() {
    const program = `
      import { parentPort, workerData } from 'node:worker_threads';
      const { encode, decode } = await import(workerData);
      const value = Array.from({ length: 2000 }, (_, id) => ({ id, name: 'n'.repeat(id % 50), s: id / 2 }));
      parentPort.postMessage('begun');
      for (;;) decode(encode(value));
    `;
    const library = new URL('../../src/index.js', import.meta.url).href;
    const worked: boolean[] = [];
    for (let round = 0; round < 6; round++) {
      const source = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
      const workers = [0, 1].map(() => new Worker(source, { workerData: library }));
      await Promise.all(
        workers.map(async (worker) => {
          await new Promise((resolve) => worker.once('message', resolve));
          await new Promise((resolve) => setTimeout(resolve, round));
          await worker.terminate();
        }),
      );
      worked.push(works());
    }
    return { worked };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]!]!()));
