import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { root } from './vectors.js';

export interface ClosingPlan {
  readonly port: number;
  /** Closes after this many answers. */
  readonly after?: number;
  readonly announced?: boolean;
  /** Closes after this many idle milliseconds. */
  readonly idle?: number;
  readonly abruptly?: boolean;
}

export interface ClosingReport {
  connections: number;
  requests: number;
  closed: number;
}

export async function startClosingProxy(
  t: ExecutionContext,
  plan: ClosingPlan,
): Promise<{ url: string; report(): Promise<ClosingReport> }> {
  const file = join(root, 'build-test', '__test__', 'support', 'closing-proxy.js');
  const child = fork(file, [JSON.stringify(plan)]);
  t.teardown(() => {
    if (child.connected) child.disconnect();
  });
  const [port] = (await once(child, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${port}`,
    async report() {
      child.send('report');
      const [report] = (await once(child, 'message')) as [ClosingReport];
      return report;
    },
  };
}
