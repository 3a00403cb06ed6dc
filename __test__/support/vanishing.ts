import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { secret } from './rpc.js';
import { root } from './vectors.js';

function ip(...words: string[]): boolean {
  return spawnSync('ip', words, { stdio: 'ignore' }).status === 0;
}

/** Network namespaces need Linux and root. */
export const canMakeHosts: boolean = ((): boolean => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const name = `backwater-try-${process.pid}`;
  const made = ip('netns', 'add', name);
  if (made) ip('netns', 'del', name);
  return made;
})();

/** The function `m:hold` never returns. */
export async function vanishingServer(
  t: ExecutionContext,
): Promise<{ url: string; vanish(): void }> {
  const id = `bw${process.pid % 100_000}`;
  const network = `10.231.${process.pid % 250}`;
  const [ours, theirs, host] = [`${id}a`, `${id}b`, `backwater-${process.pid}`];
  t.teardown(() => {
    ip('link', 'del', ours);
    ip('netns', 'del', host);
  });
  const inside = (...words: string[]): boolean => ip('netns', 'exec', host, 'ip', ...words);
  const steps = [
    ip('netns', 'add', host),
    ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs),
    ip('link', 'set', theirs, 'netns', host),
    ip('addr', 'add', `${network}.1/30`, 'dev', ours),
    ip('link', 'set', ours, 'up'),
    inside('addr', 'add', `${network}.2/30`, 'dev', theirs),
    inside('link', 'set', theirs, 'up'),
  ];
  if (steps.includes(false)) throw new Error('the host could not be made');
  const library = pathToFileURL(join(root, 'build-test', 'src', 'index.js')).href;
  const source = `
    const { startClearServer } = await import(${JSON.stringify(library)});
    const functions = { f: () => 1, hold: () => new Promise(() => {}) };
    const secret = Buffer.from(${JSON.stringify(secret.toString('base64'))}, 'base64');
    await startClearServer(secret, { m: functions }, { host: '${network}.2', port: 8080 });
    console.log('up');`;
  const words = ['netns', 'exec', host, process.execPath, '--input-type=module', '-e', source];
  const server = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => server.kill('SIGKILL'));
  await once(server.stdout, 'data');
  return {
    url: `http://${network}.2:8080`,
    vanish() {
      inside('addr', 'del', `${network}.2/30`, 'dev', theirs);
    },
  };
}
