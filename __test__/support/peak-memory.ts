/** Measures a process that runs with --expose-gc. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Collects garbage and runs finalizers. */
export async function settle(): Promise<NodeJS.MemoryUsage> {
  for (let round = 0; round < 5; round++) {
    globalThis.gc!();
    await sleep(10);
  }
  return process.memoryUsage();
}

/** The kernel's peak since `forgetPeak`. */
export function peak(): number {
  const status = readFileSync('/proc/self/status', 'latin1');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

export function forgetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}

export function sizeOf(use: NodeJS.MemoryUsage): number {
  return use.heapUsed + use.external;
}
