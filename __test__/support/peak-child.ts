/**
 * Run by peak.test.ts in a process of its own, with --expose-gc: decodes the message of a file and prints
 * the size of the result and how much memory was held at the same time, in bytes.
 */
import { readFileSync } from 'node:fs';
import { decode } from '../../src/index.js';
import { forgetPeak, peak, settle, sizeOf } from './peak-memory.js';

const [small, large] = process.argv.slice(2).map((path) => readFileSync(path));
// The code is compiled, and has seen what comes.
for (let round = 0; round < 50; round++) decode(small!);
const before = await settle();
forgetPeak();
let result: unknown = decode(large!);
const held = peak() - before.rss;
const withResult = sizeOf(await settle());
// Some of the growth is not the result: buffers stay for the next message.
if (result !== undefined) result = undefined;
console.log(JSON.stringify({ held, result: withResult - sizeOf(await settle()) }));
