// From /proc of Linux.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Microseconds of CPU by name of the thread; the main thread is `main`. */
export function cpuOf(pid) {
  const times = new Map();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${thread}`;
      const name = Number(thread) === pid ? 'main' : readFileSync(`${folder}/comm`, 'utf8').trim();
      // Nanoseconds come first; `stat` would count in hundredths of a second.
      const [nanoseconds] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ');
      times.set(name, (times.get(name) ?? 0) + Number(nanoseconds) / 1000);
    }
  } catch {
    return undefined;
  }
  return times;
}

export function cpuSince(pid, before) {
  const after = cpuOf(pid);
  if (before === undefined || after === undefined) return undefined;
  const used = { all: 0, main: 0, io: 0 };
  for (const [name, time] of after) {
    const difference = time - (before.get(name) ?? 0);
    used.all += difference;
    if (name === 'main') used.main += difference;
    if (/^backwater-io(-\d+)?$/.test(name)) used.io += difference;
  }
  return used;
}

/** Resident memory in bytes, and its peak since {@link resetPeak}. */
export const memoryOf = (pid) => statusOf(pid, 'VmRSS');
export const peakOf = (pid) => statusOf(pid, 'VmHWM');

export const resetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, '5');

function statusOf(pid, field) {
  const match = new RegExp(`${field}:\\s+(\\d+) kB`).exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  );
  return Number(match[1]) * 1024;
}
