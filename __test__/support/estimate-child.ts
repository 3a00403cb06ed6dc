/**
 * Prints the estimated and actual size in V8 of each kind of term, in bytes. Run with --expose-gc.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  atom,
  BitString,
  encode,
  float,
  NativeRecord,
  startClearServer,
  tuple,
  type ServerOptions,
} from '../../src/index.js';
import { request, send } from './load.js';
import { secret } from './rpc.js';

const repeat = <T>(count: number, item: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => item(index));

const record = (keys: number, prefix: string): object =>
  Object.fromEntries(repeat(keys, (index) => [`${prefix}${index}`, index]));

const nested = (depth: number): unknown => (depth === 0 ? 0 : tuple(nested(depth - 1)));

class Encoded {
  constructor(readonly args: Buffer) {}
}

function nativeRecord(fields: number): NativeRecord {
  const names = Array.from({ length: fields }, (_, index) => atom(`f${index}`));
  return new NativeRecord(atom('m'), atom('r'), new Map(names.map((name) => [name, 1])));
}

function newAtoms(round: number): Encoded {
  const count = 20_000;
  const head = Buffer.from([131, 108, 0, 0, 0, 1, 108, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 7);
  const atoms = repeat(count, (index) => {
    const name = `new atom ${round} ${index}`;
    return Buffer.concat([Buffer.of(119, name.length), Buffer.from(name)]);
  });
  return new Encoded(Buffer.concat([head, ...atoms, Buffer.of(106, 106)]));
}

/** Known keys and names take less memory, so each round has new ones. */
const kinds: Record<string, [make: (round: number) => unknown, options?: ServerOptions]> = {
  'empty lists': [() => repeat(50_000, () => [])],
  integers: [() => repeat(200_000, (index) => index)],
  'wide integers': [() => repeat(100_000, (index) => 2 ** 40 + index)],
  doubles: [() => repeat(100_000, (index) => index + 0.5)],
  'doubles among others': [() => repeat(100_000, (index) => (index === 0 ? 'x' : index + 0.5))],
  'empty tuples': [() => repeat(50_000, () => tuple())],
  tuples: [() => repeat(30_000, (index) => tuple(atom('ok'), index))],
  'lists of three': [() => repeat(30_000, (index) => [index, index, index])],
  'lists of strings': [() => repeat(20_000, (index) => [`x${index}`, `y${index}`])],
  'short texts': [() => repeat(50_000, (index) => `text ${index}`)],
  'long texts': [() => repeat(5000, (index) => `text ${index} `.padEnd(200, 'x'))],
  'single characters': [() => repeat(100_000, () => 'x')],
  'text beyond Latin-1': [() => repeat(20_000, (index) => `日本語 ${index}`)],
  'one text': [() => 'x'.repeat(2_000_000)],
  'one binary': [() => Buffer.alloc(2_000_000, 255)],
  'small binaries': [() => repeat(20_000, () => Buffer.of(255, 1, 2))],
  'empty binaries': [() => repeat(10_000, () => Buffer.alloc(0)), { binaries: 'buffer' }],
  'bit strings': [() => repeat(20_000, () => new BitString(Buffer.of(1, 128), 1))],
  'native records': [() => repeat(10_000, () => nativeRecord(0))],
  'native records of ten': [() => repeat(5000, () => nativeRecord(10))],
  'known atoms': [() => repeat(100_000, () => atom('ok'))],
  'new atoms': [newAtoms],
  bigints: [() => repeat(30_000, (index) => 2n ** 80n + BigInt(index))],
  'objects of two': [() => repeat(30_000, (index) => ({ id: index, name: 'x' }))],
  'objects of twenty': [() => repeat(5000, () => record(20, 'key '))],
  'objects of a hundred': [() => repeat(500, () => record(100, 'key '))],
  'objects of new keys': [
    (round) => new Encoded(encode([repeat(2000, (index) => record(10, `key ${round} ${index} `))])),
  ],
  'one object': [() => record(50_000, 'key ')],
  'empty objects': [() => repeat(30_000, () => ({}))],
  maps: [() => repeat(10_000, (index) => new Map([[index, 1]]))],
  'one map': [() => new Map(repeat(50_000, (index) => [index, 1]))],
  'exact maps': [() => repeat(10_000, () => ({ a: 1 })), { terms: 'exact' }],
  'exact doubles': [() => repeat(50_000, (index) => float(index + 0.5)), { terms: 'exact' }],
  'exact binaries': [() => repeat(20_000, () => 'text'), { terms: 'exact' }],
  'deep tuples': [() => repeat(20, () => nested(600))],
};

function callOf(argument: unknown): Buffer {
  return request('keep', argument instanceof Encoded ? argument.args : [argument]);
}

async function used(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc!();
    await sleep(5);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const results: Record<string, { estimate: number; taken: number }> = {};
for (const [kind, [make, options]] of Object.entries(kinds)) {
  let kept: unknown;
  let release = (): void => {};
  const keep = (value: unknown): Promise<void> => {
    kept = value;
    return new Promise((resolve) => (release = resolve));
  };
  const fixed = { host: '127.0.0.1', port: 0, maxEncodedResultSize: 100 };
  const server = await startClearServer(secret, { m: { keep } }, { ...fixed, ...options });
  // Take the median, because V8 frees other memory meanwhile, and the first round warms up.
  const rounds: { estimate: number; taken: number }[] = [];
  for (let round = 0; round < 6; round++) {
    const call = callOf(make(round));
    const before = await used();
    const socket = send(server.port, call);
    while (server.stats().bytesInFlight === 0 || kept === undefined) await sleep(1);
    const estimate = server.stats().bytesInFlight;
    if (round > 0) rounds.push({ estimate, taken: (await used()) - before });
    kept = undefined;
    release();
    while (server.stats().pending > 0) await sleep(1);
    socket.destroy();
  }
  results[kind] = rounds.sort((one, other) => one.taken - other.taken)[2]!;
  await server.close({ timeout: 0 });
}
console.log(JSON.stringify(results));
