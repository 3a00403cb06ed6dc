import { spawn } from 'node:child_process';

/** A process that takes longer hangs, even on a busy machine. */
const PATIENCE = 240_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Calls `onReady` after the first line of output. */
export function runNode(args: readonly string[], onReady?: (pid: number) => void): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data: Buffer) => {
      if (stdout === '' && child.pid !== undefined) onReady?.(child.pid);
      stdout += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}
