import process from 'node:process';
import { workerData } from 'node:worker_threads';
import { bridge } from '../../bridge/bridge.js';
import { Dispatcher } from '../dispatcher.js';
import { OptionError } from '../../errors/errors.js';
import { inspectBriefly } from '../../platform/inspect.js';
import { isError } from '../../platform/realms.js';
import type { ServerSettings } from '../options.js';
import { type ModuleNamespace, readExports } from '../exports.js';
import { createRegistry, type Registry } from '../registry.js';
import { type FromWorker, tableOf, type ToWorker, type WorkerStart } from './messages.js';

/** Node's exit status for a program whose top-level await never settles. */
const UNSETTLED_AWAIT = 13;

const { port, url, settings } = (workerData as { backwater: WorkerStart }).backwater;

function serve(registry: Registry, interceptors: ServerSettings['interceptors']): void {
  const dispatcher = new Dispatcher(registry, { ...settings, interceptors });
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'exit') {
      void dispatcher.stopStreams().then(() => process.exit(0));
      return;
    }
    bridge.attachServer(message.server, message.slot, dispatcher);
    tell({ kind: 'serving' });
  });
  process.exitCode = undefined;
  tell({ kind: 'ready', table: tableOf(registry) });
}

function tell(message: FromWorker): void {
  port.postMessage(message);
}

function fail(error: unknown): void {
  const option = error instanceof OptionError ? error.option : undefined;
  try {
    tell({ kind: 'failed', error: isError(error) ? error : { thrown: error }, option });
  } catch {
    // An error that cannot cross to another thread crosses as text.
    tell({ kind: 'failed', error: new Error(inspectBriefly(error)), option });
  }
  // The main thread ends this one, so that the message arrives.
  port.on('message', () => process.exit(1));
}

process.exitCode = UNSETTLED_AWAIT;
import(url)
  .then((namespace: ModuleNamespace) => {
    const { modules, interceptors } = readExports(namespace);
    serve(createRegistry(modules), interceptors);
  })
  .catch(fail);
