/**
 * Run by peak.test.ts in a process of its own, with --expose-gc: decodes the message of a file and prints
 * the size of the result and how much memory was held at the same time, in bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode } from '../../src/index.js';

/** Everything unreachable is given back, finalizers included. */
async function settle(): Promise<NodeJS.MemoryUsage> {
  for (let round = 0; round < 5; round++) {
    globalThis.gc!();
    await sleep(10);
  }
  return process.memoryUsage();
}

/** The most that the process had of memory since `forgetPeak`, as the kernel counts it. */
function peak(): number {
  const status = readFileSync('/proc/self/status', 'latin1');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

function forgetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

const [small, large] = process.argv.slice(2).map((path) => readFileSync(path));
// The code is compiled, and has seen what comes.
for (let round = 0; round < 50; round++) decode(small!);
const before = await settle();
forgetPeak();
let result: unknown = decode(large!);
const held = peak() - before.rss;
const size = (use: NodeJS.MemoryUsage): number => use.heapUsed + use.external;
const withResult = size(await settle());
// Not all of what the process has more than before is the result: areas are kept for the next message.
if (result !== undefined) result = undefined;
console.log(JSON.stringify({ held, result: withResult - size(await settle()) }));
