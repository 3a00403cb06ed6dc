// Orders: serves the web, and calls stock and shipping for the same tenant.
import { Client, expose, startTlsServer } from 'backwater';
import { opentelemetry } from 'backwater/opentelemetry';

export async function startOrders(secrets, tls, urls) {
  const interceptors = [opentelemetry()];
  const secret = secrets.orders;
  const options = {
    secret,
    caller: 'orders',
    tls: { ca: tls.cert, servername: 'localhost' },
    interceptors,
    rethrowRemoteExceptions: true, // the web sees the error that stock threw
  };
  const stock = new Client({ url: urls.stock, ...options });
  const shipping = new Client({ url: urls.shipping, ...options });

  const place = async (context, item, count, country) => {
    const tenant = context.metadata.get('tenant') ?? 'nobody';
    // `parent` passes on the deadline, the abort signal and the trace.
    const calls = { parent: context, metadata: { tenant } };
    const taken = await stock.call('stock', 'take', [item, count], calls);
    const quote = await shipping.call('shipping', 'quote', [country, count], calls);
    return { by: context.caller, ...taken, ...quote };
  };
  const orders = { place: expose.fn(place, { context: true }) };

  const server = await startTlsServer(
    { web: secrets.web },
    { orders },
    {
      host: '127.0.0.1',
      port: 0,
      tls,
      interceptors,
    },
  );
  const close = async () => {
    await server.close({ drainDelay: 0, timeout: 5000 }); // finishes calls in flight first
    await Promise.all([stock.close(), shipping.close()]);
  };
  return { url: server.url, close };
}
