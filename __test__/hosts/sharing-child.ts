/**
 * The primary of a cluster forks two workers, prints their URL, and ends with its input. Others
 * serve on the given port.
 */
import cluster from 'node:cluster';
import { startClearServer, type ServerOptions } from '../../src/index.js';
import { secret } from '../support/rpc.js';

const [, , kind, port, options = '{}'] = process.argv;

async function serve(): Promise<void> {
  const server = await startClearServer(
    secret,
    { who: { pid: () => process.pid } },
    { host: '127.0.0.1', port: Number(port), ...(JSON.parse(options) as ServerOptions) },
  );
  process.stdout.write(`${server.url}\n`);
  process.on('disconnect', () => process.exit());
}

if (kind === 'cluster' && cluster.isPrimary) {
  for (let count = 0; count < 2; count++) cluster.fork();
  cluster.on('exit', (_worker, code) => process.exit(code === 0 ? 1 : code));
} else {
  await serve().catch((error: Error) => {
    process.stdout.write(`${JSON.stringify({ ...error, message: error.message })}\n`);
    process.exitCode = 3;
  });
}
process.stdin.resume().on('end', () => process.exit());
