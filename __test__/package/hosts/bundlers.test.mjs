// Follows docs/bundling.md with real tools.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { application, hasBun, moved, run, section, write } from './application.mjs';

/** Avoids top-level await, which CommonJS lacks. */
const SERVER = `
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client, startClearServer, tuple } from 'backwater';
import { decode, encode } from 'backwater/terms';

const secret = 'a secret of more than thirty-two bytes';
const options = { host: '127.0.0.1', port: 0 };

async function call(modules, options) {
  const server = await startClearServer(secret, modules, options);
  const client = new Client({ url: server.url, secret });
  try {
    console.log(...(await client.call('m', 'twice', [decode(encode('x'))])));
  } finally {
    await client.close();
    await server.close();
  }
}

async function main() {
  await call({ m: { twice: (x) => tuple(x, x) } }, options);
  // A module for worker threads is a file beside the bundle.
  const url = pathToFileURL(join(process.cwd(), 'modules.mjs'));
  await call(url, { ...options, workers: 1 });
}
main().catch((error) => console.log(error.message));
`;
const WORKS = 'x x\nx x in a thread\n';
const MODULES = { 'modules.mjs': "export const m = { twice: (x) => [x, x, 'in a thread'] };" };
const HINT = /mark-backwater-as-external|mark the package "backwater" as external/;
const LINKS = ['@rollup', '@vercel'];

async function assertServers(folder, count, expected) {
  const servers = readdirSync(folder).filter((name) => /^server\.[cm]?js$/.test(name));
  assert.equal(servers.length, count);
  write(folder, MODULES);
  if (existsSync(join(folder, 'server.js')))
    write(folder, { 'package.json': '{ "type": "module" }' });
  for (const server of servers) {
    const { status, output } = await run(folder, process.execPath, server);
    assert.match(output, expected, server);
    assert.equal(status, 0, server);
  }
}

for (const [tool, count] of [
  ['esbuild', 2],
  ['Rollup', 1],
  ['Rolldown', 1],
  ['webpack', 1],
  ['Bun', 1],
]) {
  test(
    `${tool} works as the page says, with the package as external`,
    { timeout: 240_000 },
    async (t) => {
      if (tool === 'Bun' && !hasBun) return t.skip('it is not installed here');
      const { commands, files } = section('bundling.md', tool);
      const source = application({ 'server.js': SERVER, ...files }, { links: LINKS });
      for (const command of commands) await shell(source, command);
      await assertServers(moved(join(source, 'dist')), count, new RegExp(`^${WORKS}$`));
    },
  );
}

test('bundles in one folder work as the page says', { timeout: 240_000 }, async (t) => {
  const { commands } = section('bundling.md', 'One folder without node_modules');
  for (const command of commands) {
    if (command.startsWith('bun') && !hasBun) continue;
    const source = application({ 'server.js': SERVER });
    await shell(source, command);
    const target = moved(join(source, 'dist'), { alone: true });
    // Bun puts the path of its source into its output.
    rmSync(source, { recursive: true });
    const says =
      /^x x\nworkers: .*worker-main\.js does not exist; .* mark the package as external\n$/;
    await assertServers(target, 1, says);
  }
  if (!hasBun) t.skip('Bun is not installed here');
});

const { files: rollup } = section('bundling.md', 'Rollup');
const { files: webpack } = section('bundling.md', 'webpack');
const without = (files) =>
  Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, text.replace(/^ +external.*\n/gm, '')]),
  );

for (const [tool, command, files] of [
  ['esbuild', 'npx esbuild server.js --bundle --platform=node --format=esm --outdir=dist', {}],
  ['esbuild for CommonJS', 'npx esbuild server.js --bundle --platform=node --outdir=dist', {}],
  ['Rollup', 'npx rollup --config', without(rollup)],
  ['Rolldown', 'npx rolldown server.js --platform=node --file=dist/server.js', {}],
  ['webpack', 'npx webpack --config webpack.config.cjs --mode=development', without(webpack)],
]) {
  test(
    `${tool} without the setting says what to mark as external`,
    { timeout: 240_000 },
    async () => {
      const source = application({ 'server.js': SERVER, ...files }, { links: LINKS });
      // The addon's content does not matter, and webpack parses megabytes slowly.
      truncateAddon(source);
      const { status, output } = await run(source, 'bash', '-c', command);
      assert.notEqual(status, 0);
      assert.match(output, HINT);
    },
  );
}

test('Rollup without plugins leaves the package out', async () => {
  const source = application({ 'server.js': SERVER });
  await shell(source, 'npx rollup server.js --file dist/server.js');
  await assertServers(moved(join(source, 'dist')), 1, new RegExp(`^${WORKS}$`));
});

test('@vercel/nft finds all files, as the page says', { timeout: 120_000 }, async () => {
  const { files } = section('bundling.md', 'What to deploy');
  const source = application({ 'server.js': SERVER, ...files }, { links: LINKS });
  await shell(source, 'node trace.js');
  await assertServers(moved(join(source, 'dist'), { alone: true }), 1, new RegExp(`^${WORKS}$`));
});

function truncateAddon(folder) {
  const modules = join(folder, 'node_modules');
  for (const path of readdirSync(modules, { recursive: true })) {
    if (path.startsWith('backwater-') && path.endsWith('.node'))
      truncateSync(join(modules, path), 64);
  }
}

async function shell(folder, command) {
  const { status, output } = await run(folder, 'bash', '-e', '-c', command);
  assert.equal(status, 0, output);
}
