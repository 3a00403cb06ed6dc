import { startClearServer } from '../../../src/index.js';
import type { ServerOptions } from '../../../src/index.js';
import { notes, s } from './functions.js';

export interface Order {
  readonly number: number;
  readonly what: 'start' | 'stats' | 'notes' | 'close';
  readonly options?: ServerOptions & { readonly timeout?: number };
}

const secret = Buffer.from('a secret for tests, 32 bytes long!');
let server: Awaited<ReturnType<typeof startClearServer>>;

async function run({ what, options = {} }: Order): Promise<unknown> {
  switch (what) {
    case 'start': {
      const modules =
        options.workers === undefined ? { s } : new URL('./functions.js', import.meta.url);
      server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0, ...options });
      return server.url;
    }
    case 'stats':
      return server.stats();
    case 'notes':
      return notes.splice(0);
    case 'close':
      await server.close({ timeout: options.timeout ?? 0 });
      return null;
  }
}

process.on('message', (order: Order) => {
  void run(order).then((answer) => process.send!({ number: order.number, answer }));
});
process.on('disconnect', () => process.exit(0));
