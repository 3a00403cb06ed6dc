// Shipping: in Elixir if it is installed, otherwise in JavaScript.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startTlsServer } from 'backwater';
import { opentelemetry } from 'backwater/opentelemetry';

const shipping = {
  quote: (country, weight) => ({
    country,
    days: country === 'DE' ? 2 : 5,
    price: 4.5 + 0.5 * weight,
  }),
};

export async function startShipping(secrets, tls) {
  if (spawnSync('elixir', ['--version'], { stdio: 'ignore' }).status === 0) {
    return await startElixir(secrets.orders, tls);
  }
  const options = { host: '127.0.0.1', port: 0, tls, interceptors: [opentelemetry()] };
  return await startTlsServer(secrets.orders, { shipping }, options);
}

async function startElixir(secret, { cert, key }) {
  const script = fileURLToPath(new URL('shipping.exs', import.meta.url));
  const args = ['--erl', '-noinput', script, '--certfile', cert, '--keyfile', key];
  const env = { ...process.env, BACKWATER_SECRET_BASE64: secret.toString('base64') };
  const child = spawn('elixir', args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => {
    throw new Error('the Elixir service has exited');
  });
  ended.catch(() => {});
  const [line] = await Promise.race([once(child.stdout, 'data'), ended]);
  const close = async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
  };
  return { url: `https://127.0.0.1:${JSON.parse(line).port}`, close };
}
