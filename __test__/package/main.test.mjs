// Publishes the packages to a registry on loopback and installs them as a new user would.
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkAddon } from '../../scripts/package/check.mjs';
import { readElf } from '../../scripts/package/elf.mjs';
import { hostTarget } from '../../scripts/package/targets.mjs';
import { startRegistry } from './registry.mjs';
import { tarballs } from './tarballs.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);
const host = hostTarget();
const folder = mkdtempSync(join(tmpdir(), 'backwater-package-'));
const project = join(folder, 'project');
let registry;

before(
  async () => {
    registry = await startRegistry(join(folder, 'registry'));
    writeFileSync(join(folder, '.npmrc'), `//127.0.0.1:${registry.port}/:_authToken=anybody\n`);
    for (const tarball of readdirSync(tarballs()))
      await npm(folder, 'publish', join(tarballs(), tarball));
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }\n');
    await npm(project, 'install', 'backwater');
    for (const file of ['user.mjs', 'user.ts', 'user.cts'])
      cpSync(join(here, file), join(project, file));
  },
  { timeout: 180_000 },
);

after(async () => {
  await registry?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('only the package of this platform is installed, and no script runs', () => {
  const installed = readdirSync(join(project, 'node_modules')).filter((name) =>
    name.startsWith('backwater'),
  );
  assert.deepEqual(installed.sort(), ['backwater', `backwater-${host.name}`]);
  const { scripts, dependencies } = described('backwater');
  assert.deepEqual([scripts, dependencies], [undefined, undefined]);
});

test('the packages name their repository, and the README links to its files', () => {
  const { repository, homepage, bugs, version } = described('backwater');
  const url = repository.url.replace(/^git\+|\.git$/g, '');
  assert.match(url, /^https:\/\/github\.com\/[\w-]+\/[\w-]+$/);
  assert.ok(homepage.startsWith(url) && bugs.url.startsWith(url));
  assert.equal(described(`backwater-${host.name}`).repository.url, repository.url);
  const readme = readFileSync(join(project, 'node_modules/backwater/README.md'), 'utf8');
  const links = Array.from(readme.matchAll(/\]\(([^)]*)\)/g), ([, link]) => link);
  const files = links.filter((link) => link.startsWith(`${url}/blob/v${version}/`));
  assert.ok(files.length > 10);
  for (const file of files) {
    const [path] = file.slice(`${url}/blob/v${version}/`.length).split('#');
    assert.ok(existsSync(join(root, path)), path);
  }
  for (const link of links) assert.match(link, /^https:\/\/|^#/);
});

for (const [name, command, ...args] of runtimes()) {
  test(
    `a server and a call on ${name}`,
    { timeout: 60_000, skip: !existsSync(command) && 'it is not installed here' },
    async () => {
      const { stdout } = await run(command, [...args, 'user.mjs'], {
        cwd: project,
        env: environment(),
      });
      assert.equal(stdout, 'it works\n');
    },
  );
}

// Node 20.17 cannot require ES modules, the others can.
for (const version of ['20.17', 20, 22, 24, 26]) {
  const node = join(here, 'node_modules', `node-${version}`, 'bin/node');
  test(
    `require and import return the same library on Node ${version}`,
    { skip: !existsSync(node) && 'it is not installed here' },
    async () => {
      const program = `
        const names = ['backwater', 'backwater/terms', 'backwater/elixir', 'backwater/hooks'];
        const required = names.map((name) => require(name));
        Promise.all(names.map((name) => import(name))).then((imported) => {
          const same = (one, other) =>
            Object.keys(one).sort().join() === Object.keys(other).sort().join() &&
            Object.keys(one).every((name) => one[name] === other[name]);
          const [backwater, terms] = required;
          console.log(
            backwater.decode(backwater.encode('ok')),
            required.every((one, index) => same(one, imported[index])) &&
              terms.encode === backwater.encode,
          );
        });`;
      const args = ['--no-warnings', '-e', program];
      const { stdout } = await run(node, args, { cwd: project, env: environment() });
      assert.equal(stdout, 'ok true\n');
    },
  );
}

test('a program does not need the optional peer of an entry point', async () => {
  const program = "import('backwater/opentelemetry').catch(({ code }) => console.log(code))";
  const { stdout } = await run(process.execPath, ['-e', program], {
    cwd: project,
    env: environment(),
  });
  assert.equal(stdout, 'ERR_MODULE_NOT_FOUND\n');
});

test('the command is installed', async () => {
  const { stdout } = await run('npx', ['--no-install', 'backwater', '--version'], {
    cwd: project,
    env: environment(),
    shell: process.platform === 'win32',
  });
  assert.match(stdout, new RegExp(described('backwater').version.replaceAll('.', '\\.')));
});

for (const [which, modules] of [
  ['the oldest', join(root, 'node_modules')],
  ['the newest', join(here, 'node_modules')],
]) {
  test(`the installed types compile with ${which} @types/node`, async () => {
    for (const name of ['@types/node', 'undici-types']) {
      const installed = join(project, 'node_modules', name);
      rmSync(installed, { recursive: true, force: true });
      cpSync(join(modules, name), installed, { recursive: true });
    }
    const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--types', 'node'];
    const newest = join(root, 'node_modules/.bin/tsc');
    const older = join(here, 'hosts/node_modules/.bin/tsc');
    for (const [tsc, module, ...files] of [
      [newest, '--module nodenext', 'user.ts', 'user.cts'],
      [newest, '--module node16', 'user.ts', 'user.cts'],
      [newest, '--module esnext --moduleResolution bundler --lib es2022,dom', 'user.ts'],
      [newest, '--module preserve --isolatedModules --verbatimModuleSyntax', 'user.ts'],
      [older, '--module node16', 'user.ts', 'user.cts'],
      [older, '--module commonjs --moduleResolution node10', 'user.ts', 'user.cts'],
    ]) {
      const given = [...options, '--target', 'es2022', ...module.split(' '), ...files];
      await run(tsc, given, { cwd: project, shell: process.platform === 'win32' }).catch(
        ({ stdout }) => assert.fail(`${module}: ${stdout}`),
      );
    }
  });
}

for (const { page, from, to, says } of [
  {
    page: 'README.md',
    from: '## Try it',
    to: '## Node, Elixir and Erlang',
    says: ['HELLO'],
  },
  {
    page: 'docs/getting-started.md',
    from: '# Getting started',
    to: '## The first errors',
    says: ['Tea', 'RangeError: no article 8', '✔ signature'],
  },
  { page: 'docs/cli.md', from: '# The command line', to: '## call', says: ['"HELLO"'] },
]) {
  test(`following ${page} word for word works`, { timeout: 120_000 }, async (t) => {
    if (process.platform === 'win32') return t.skip('it is written for a POSIX shell');
    if (await isTaken(8080)) return t.skip('port 8080 is taken');
    const text = readFileSync(join(root, page), 'utf8');
    const folder = mkdtempSync(join(project, '..', 'pages-'));
    const script = scriptOf(text.slice(text.indexOf(from), text.indexOf(to)));
    if (!script.includes('npm install'))
      cpSync(join(project, 'node_modules'), join(folder, 'node_modules'), { recursive: true });
    const { stdout } = await run('bash', ['-e', '-c', script], {
      cwd: folder,
      env: { ...environment(), ...registryOptions() },
    });
    for (const line of says) assert.ok(stdout.includes(line), `${line} is not in ${stdout}`);
  });
}

test('publint and are-the-types-wrong find nothing', { timeout: 120_000 }, async () => {
  const tarball = join(tarballs(), `backwater-${described('backwater').version}.tgz`);
  const bin = (name) => join(here, 'node_modules/.bin', name);
  await run(bin('publint'), ['run', '--strict', tarball]).catch(({ stdout }) =>
    assert.fail(stdout),
  );
  await run(bin('attw'), [tarball]).catch(({ stdout }) => assert.fail(stdout));
});

test('without the platform package, the import says what to do', () => {
  const copy = copyOfProject('missing');
  rmSync(join(copy, 'node_modules', `backwater-${host.name}`), { recursive: true });
  const message = failureOf(copy);
  assert.match(
    message,
    new RegExp(`the binary for ${process.platform}-${process.arch} is not installed`),
  );
  assert.match(message, /--omit=optional/);
  assert.match(message, new RegExp(`backwater-${host.name}`));
  assert.match(message, /supported platforms: darwin-arm64/);
});

test('on an unsupported platform, the import lists the supported ones', () => {
  const message = failureOf(
    project,
    "Object.defineProperty(process, 'platform', { value: 'sunos' });",
  );
  assert.match(message, /no binary for sunos-/);
  assert.match(
    message,
    /darwin-x64, linux-arm64 and linux-x64 .*musl.*win32-arm64 and win32-x64; elsewhere, build it from source/,
  );
});

test('on an unsupported platform, the command prints one sentence and exits with status 8', () => {
  writeFileSync(
    join(folder, 'sunos.cjs'),
    "Object.defineProperty(process, 'platform', { value: 'sunos' });",
  );
  const command = join(project, 'node_modules/backwater/build/cli/main.js');
  const args = ['--require', join(folder, 'sunos.cjs'), command, 'secret'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.deepEqual([status, stdout], [8, '']);
  assert.match(stderr, /^backwater: .* no binary for sunos-.*\n$/);
});

for (const version of [20, 22, 24, 26]) {
  const node = join(here, 'node_modules', `node-${version}`, 'bin/node');
  const permission = version === 20 ? '--experimental-permission' : '--permission';
  test(
    `the flags that Node ${version} needs are named`,
    { skip: !existsSync(node) && 'it is not installed here', timeout: 60_000 },
    async () => {
      const outcomeOf = (program, ...flags) =>
        run(node, ['--no-warnings', ...flags, '--input-type=module', '-e', program], {
          cwd: project,
          env: environment(),
        }).then(({ stdout }) => stdout);
      const load =
        "import('backwater').then(() => console.log('loaded'), (e) => console.log(e.message));";
      const restricted = [permission, '--allow-fs-read=*'];
      for (const flags of [['--no-addons'], restricted]) {
        const outcome = await outcomeOf(load, ...flags);
        assert.match(outcome, /--allow-addons .*--allow-worker .*--allow-net .*--no-addons\n$/);
      }
      assert.equal(await outcomeOf(load, ...restricted, '--allow-addons'), 'loaded\n');
      const pool = `import { startClearServer } from 'backwater';
        const modules = new URL('data:text/javascript,export const m = { f: () => 1 }');
        const options = { host: '127.0.0.1', port: 0, workers: 1 };
        const server = await startClearServer('${'x'.repeat(32)}', modules, options);
        await server.close();
        console.log('served');`;
      const outcome = (...flags) => outcomeOf(pool, ...restricted, '--allow-addons', ...flags);
      assert.equal(await outcome('--allow-worker'), 'served\n');
      await assert.rejects(outcome(), /workers: .* --allow-worker/);
    },
  );
}

test(
  'looking up a name without --allow-net names the flag',
  { skip: !existsSync(join(here, 'node_modules/node-26')) && 'Node 26 is not installed here' },
  async () => {
    const program = `import { Client } from 'backwater';
      const client = new Client({ url: 'http://name.invalid', secret: '${'x'.repeat(32)}' });
      console.log((await client.tryCall('m', 'f', [])).error.message);
      await client.close();`;
    const flags = ['--permission', '--allow-fs-read=*', '--allow-addons', '--no-warnings'];
    const { stdout } = await run(
      join(here, 'node_modules/node-26/bin/node'),
      [...flags, '--input-type=module', '-e', program],
      { cwd: project, env: environment() },
    );
    assert.match(stdout, /cannot resolve name\.invalid:80: .*--allow-net/);
  },
);

test('the container behaves as docs/docker.md says', { timeout: 60_000 }, async (t) => {
  if (process.platform === 'win32') return t.skip('signals are POSIX signals');
  if (await isTaken(8080)) return t.skip('port 8080 is taken');
  const page = readFileSync(join(root, 'docs/docker.md'), 'utf8');
  const program = /^```js\n([^]*?)^```/m.exec(page)[1].replace('5000', '0');
  const [, health, ...args] = JSON.parse(/^HEALTHCHECK[^[]*(\[.*\])$/m.exec(page)[1]);
  writeFileSync(join(project, 'container.mjs'), program);
  const check = () => spawnSync(process.execPath, [health, ...args]).status;
  const env = { ...environment(), SECRET: 'x'.repeat(32) };
  assert.equal(check(), 1);
  const server = spawn(process.execPath, ['container.mjs'], { cwd: project, env });
  const ended = once(server, 'exit');
  while (!(await isTaken(8080))) assert.equal(server.exitCode, null);
  assert.equal(check(), 0);
  server.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

test('the error distinguishes a binary that does not load from a missing one', () => {
  const copy = copyOfProject('damaged');
  const addon = described(`backwater-${host.name}`).main;
  writeFileSync(join(copy, 'node_modules', `backwater-${host.name}`, addon), 'no library');
  assert.match(failureOf(copy), /does not load: .*(invalid|file too short|ELF|not a)/i);
});

test('packages of different versions are refused', () => {
  const copy = copyOfProject('mixed');
  const path = join(copy, 'node_modules/backwater/native.cjs');
  const { version } = described('backwater');
  const loader = readFileSync(path, 'utf8');
  writeFileSync(path, loader.replace(`VERSION = '${version}'`, "VERSION = '0.0.9'"));
  const message = failureOf(copy);
  assert.ok(
    message.includes(`backwater-${host.name} is ${version}, not 0.0.9: install both again`),
  );
});

test(
  'the requirements of an addon are read from its file, and refused if missing',
  { skip: process.platform !== 'linux' && 'it is not an ELF file' },
  () => {
    const { main } = described(`backwater-${host.name}`);
    const bytes = readFileSync(join(project, 'node_modules', `backwater-${host.name}`, main));
    const { needed, defined, undefined: asked } = readElf(bytes);
    assert.ok(needed.some((name) => name.startsWith('libc.')));
    assert.ok(defined.includes('napi_register_module_v1'));
    assert.ok(asked.includes('napi_create_buffer_copy') || asked.includes('napi_throw_error'));
    assert.ok(asked.every((name) => !defined.includes(name)));
    const refused = (target, symbols) => () =>
      checkAddon(bytes, { name: host.name, ...target }, symbols);
    // A build for this machine may need its compiler's library, too.
    if (!needed.includes('libgcc_s.so.1')) {
      assert.doesNotThrow(refused({ glibc: '2.99' }));
      assert.throws(refused({ glibc: '2.0' }), /asks for GLIBC_2\.\d+/);
    }
    assert.throws(refused({}, new Set()), /the addon for linux-.* (needs|asks for|has) /);
    assert.throws(() => readElf(Buffer.from('no library')), /not a 64-bit little-endian ELF file/);
  },
);

function runtimes() {
  const nodes = [20, 22, 24, 26].map((version) => [
    `Node ${version}`,
    join(here, 'node_modules', `node-${version}`, 'bin/node'),
  ]);
  return [
    ['this Node', process.execPath],
    ...nodes,
    ['Bun', join(here, 'node_modules/@oven/bun-linux-x64/bin/bun')],
    ['Deno', join(here, 'node_modules/@deno/linux-x64-glibc/deno'), 'run', '-A', '--quiet'],
  ];
}

function environment() {
  const folders = [dirname(process.execPath), '/usr/bin', '/bin'];
  const {
    PATH,
    HOME: _home,
    CARGO_HOME: _cargo,
    RUSTUP_HOME: _rustup,
    NODE_OPTIONS: _options,
    NODE_TEST_CONTEXT: _test,
    ...rest
  } = process.env;
  return {
    ...rest,
    HOME: folder,
    PATH: process.platform === 'win32' ? PATH : folders.join(delimiter),
  };
}

async function npm(cwd, ...args) {
  const env = { ...environment(), ...registryOptions() };
  await run('npm', args, { cwd, env, shell: process.platform === 'win32' });
}

function registryOptions() {
  return {
    npm_config_registry: registry.url,
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_loglevel: 'error',
    npm_config_cache: join(folder, 'cache'),
    npm_config_userconfig: join(folder, '.npmrc'),
  };
}

/**
 * What a reader of a page does, as a script: `sh` blocks are commands, and blocks after a name
 * (`server.js` … :) are files. Waits for the server instead of `sleep`.
 */
function scriptOf(text) {
  const blocks = text.matchAll(
    /^(?:`(?<file>[\w.]+)`[^`]*:\n\n)?```(?<language>sh|js)[^\n]*\n(?<body>[\s\S]*?)^```/gm,
  );
  const steps = Array.from(blocks, ({ groups: { file, language, body } }) => {
    if (language === 'sh') return body;
    return file === undefined ? '' : `cat > ${file} <<'END-OF-FILE'\n${body}END-OF-FILE\n`;
  });
  const wait =
    'sleep() { until (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; do command sleep 0.1; done; }';
  // With job control each job is a group; npx is only its first process.
  const end = 'for job in $(jobs -p); do kill -- -$job; done';
  return `set -m\ntrap '${end}' EXIT\n${wait}\n${steps.join('')}`;
}

async function isTaken(port) {
  const socket = connect({ port, host: '127.0.0.1' });
  const taken = await new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return taken;
}

function described(name) {
  return JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'));
}

function copyOfProject(name) {
  const copy = join(folder, name);
  cpSync(project, copy, { recursive: true });
  return copy;
}

function failureOf(cwd, preparation = '') {
  const program = `${preparation} import('backwater').then(() => console.log('loaded'), (error) => console.log(error.code, error.message))`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
    cwd,
    encoding: 'utf8',
    env: environment(),
  });
  assert.deepEqual([status, stderr], [0, '']);
  assert.match(stdout, /^ERR_BACKWATER_NATIVE backwater cannot load its native addon: .*\n$/);
  return stdout;
}
