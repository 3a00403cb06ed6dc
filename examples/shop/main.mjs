// `node examples/shop/main.mjs`: three services and a customer. They share only a certificate and one secret per
// caller, so each could run on its own machine.
import { randomBytes } from 'node:crypto';
import {
  ConsoleSpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { Client, isRetryable, RemoteException } from 'backwater';
import { opentelemetry } from 'backwater/opentelemetry';
import { makeCertificate } from '../fleet/certificate.mjs';
import { startOrders } from './orders.mjs';
import { startShipping } from './shipping.mjs';
import { startStock } from './stock.mjs';

const exporter = new ConsoleSpanExporter();
const tracing = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
tracing.register();

const secrets = { web: randomBytes(32), orders: randomBytes(32) };
const tls = makeCertificate('localhost');

const stock = await startStock(secrets, tls);
const shipping = await startShipping(secrets, tls);
const orders = await startOrders(secrets, tls, { stock: stock.url, shipping: shipping.url });

const client = new Client({
  url: orders.url,
  secret: secrets.web,
  caller: 'web',
  tls: { ca: tls.cert, servername: 'localhost' },
  metadata: { tenant: 'acme' },
  timeout: 10_000, // for the whole order, including its calls to stock and shipping
  interceptors: [opentelemetry()],
});

async function order(item, count, country) {
  try {
    console.log('ordered', await client.call('orders', 'place', [item, count, country]));
  } catch (error) {
    if (!(error instanceof RemoteException)) throw error;
    console.log('refused', error.remote, 'try again:', isRetryable(error));
  }
}

await order(' apple', 2, 'DE');
await order('pear', 1, 'FR');
await order('apple', 0.5, 'FR');

// Close callers before the servers they call, so that calls in flight finish.
await client.close();
await orders.close();
await Promise.all([stock.close(), shipping.close()]);
await tracing.shutdown();
