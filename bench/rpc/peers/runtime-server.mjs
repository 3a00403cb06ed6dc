// What json.mjs does, for Bun and Deno.
import { Buffer } from 'node:buffer';
import process from 'node:process';

const echo = (value) => value;
const json = async (request) => Response.json(echo(await request.json()));
const binary = async (request) =>
  Response.json(echo(Buffer.from(await request.json(), 'base64')).toString('base64'));
const routes = { '/record': json, '/records': json, '/binary': binary };

if (globalThis.Bun) {
  const { port } = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 255, routes });
  console.log(JSON.stringify({ port }));
} else {
  const onListen = ({ port }) => console.log(JSON.stringify({ port }));
  Deno.serve({ hostname: '127.0.0.1', port: 0, onListen }, (request) =>
    routes[new URL(request.url).pathname](request),
  );
}

process.stdin.on('end', () => process.exit());
process.stdin.resume();
