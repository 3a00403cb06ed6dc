/**
 * Decodes a file and prints the size of the result and the peak memory in bytes. Run with
 * --expose-gc.
 */
import { readFileSync } from 'node:fs';
import { decode } from '../../src/index.js';
import { forgetPeak, peak, settle, sizeOf } from './peak-memory.js';

const [small, large] = process.argv.slice(2).map((path) => readFileSync(path));
for (let round = 0; round < 50; round++) decode(small!);
const before = await settle();
forgetPeak();
let result: unknown = decode(large!);
const held = peak() - before.rss;
const withResult = sizeOf(await settle());
// Buffers that stay for the next message are not part of the result.
if (result !== undefined) result = undefined;
console.log(JSON.stringify({ held, result: withResult - sizeOf(await settle()) }));
