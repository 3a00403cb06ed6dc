import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { inspect } from 'node:util';
import test from 'ava';
import {
  Client,
  ClosedError,
  decodeResponse,
  encodeRequest,
  OptionError,
  startClearServer,
  tuple,
} from '../src/index.js';
import { connect, PATIENT, secret, serve } from './support/rpc.js';
import { root } from './support/vectors.js';

const OLD = 'the old secret, that all of them know'.padEnd(40, '.');
const NEW = 'the new secret, that they shall learn'.padEnd(40, '.');

test('secrets can be changed without failing a call', async (t) => {
  const server = await startClearServer(
    OLD,
    { echo: { echo: (x: unknown) => x } },
    { host: '127.0.0.1', port: 0 },
  );
  t.teardown(() => server.close({ timeout: 0 }));
  const clients = Array.from({ length: 3 }, () => {
    return new Client({ url: server.url, secret: OLD, ...PATIENT });
  });
  t.teardown(() => Promise.all(clients.map((client) => client.close())));

  let running = true;
  let calls = 0;
  const load = clients.map(async (client, number) => {
    while (running) {
      const batch = Array.from({ length: 20 }, (_, index) => [number, index, 'x'.repeat(400)]);
      const results = await Promise.all(batch.map((item) => client.call('echo', 'echo', [item])));
      t.deepEqual(results, batch as never);
      calls += batch.length;
    }
  });
  const goOn = async (): Promise<void> => {
    const enough = calls + 300;
    while (calls < enough) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const [from, to] of [
    [OLD, NEW],
    [NEW, OLD],
  ] as const) {
    await goOn();
    server.setSecrets([from, to]);
    await goOn();
    for (const client of clients) {
      client.setSecrets(to);
      await goOn();
    }
    server.setSecrets(to);
    await goOn();
  }
  running = false;
  await Promise.all(load);
  t.true(calls > 1000);
});

test('a removed secret is no longer accepted on either side', async (t) => {
  const server = await serve(t, { echo: { echo: () => 'here' } });
  const client = connect(t, server);
  t.is(await client.call('echo', 'echo'), 'here');
  server.setSecrets(NEW);
  await t.throwsAsync(client.call('echo', 'echo'), { name: 'ResponseAuthenticationError' });
  client.setSecrets([NEW, secret]);
  t.is(await client.call('echo', 'echo'), 'here');
  server.setSecrets(secret);
  await t.throwsAsync(client.call('echo', 'echo'), { name: 'ResponseAuthenticationError' });
  client.setSecrets([secret]);
  t.is(await client.call('echo', 'echo'), 'here');
});

test('clients that share connections have separate secrets', async (t) => {
  const server = await serve(t, { echo: { echo: () => 'here' } });
  const [first, second] = [connect(t, server), connect(t, server)];
  first.setSecrets(NEW);
  await t.throwsAsync(first.call('echo', 'echo'), { name: 'ResponseAuthenticationError' });
  t.is(await second.call('echo', 'echo'), 'here');
});

test('a running call is answered with the secret of its request', async (t) => {
  let answer = (_: string): void => {};
  let arrived = (): void => {};
  const arrival = new Promise<void>((resolve) => (arrived = resolve));
  const server = await serve(t, {
    slow: {
      slow: () =>
        new Promise((resolve) => {
          answer = resolve;
          arrived();
        }),
    },
  });
  const client = connect(t, server);
  const call = client.call('slow', 'slow');
  await arrival;
  server.setSecrets(NEW);
  client.setSecrets(NEW);
  answer('late');
  t.is(await call, 'late');
});

test('an invalid secret is refused and changes nothing', async (t) => {
  const server = await serve(t, { echo: { echo: () => 'here' } });
  const client = connect(t, server);
  for (const bad of [undefined, null, '', [], 5, [secret, '']]) {
    for (const end of [server, client]) {
      t.throws(() => end.setSecrets(bad as never), { instanceOf: OptionError }, inspect(bad));
    }
  }
  t.is(await client.call('echo', 'echo'), 'here');
});

test('a draining server accepts new secrets', async (t) => {
  const server = await serve(t, { echo: { echo: () => 'here' } });
  const closed = server.close({ drainDelay: 600_000 });
  server.setSecrets(NEW);
  const client = new Client({ url: server.url, secret: NEW });
  t.is(await client.call('echo', 'echo'), 'here');
  await client.close();
  await server.close({ timeout: 0 });
  await closed;
});

test('closed clients and servers refuse new secrets', async (t) => {
  const server = await serve(t, { echo: { echo: () => 'here' } });
  const client = connect(t, server);
  await client.close();
  await server.close();
  for (const end of [server, client]) {
    t.throws(() => end.setSecrets(NEW), { instanceOf: ClosedError });
  }
});

/** Forms that could reveal a secret: text, base64, hex, and numbers of its bytes. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const piece = bytes.subarray(4, 22);
  return [
    text.slice(4, 22),
    ...[0, 1, 2].map((skip) => piece.subarray(skip, skip + 12).toString('base64')),
    piece.toString('hex'),
    piece.toString('hex').match(/../g)!.join(' '),
    [...piece.subarray(0, 8)].join(', '),
  ];
}

const HUSH = 'hush-3f9a61c7e5d04b28-of-a-secret-nobody-may-see';
const HUSHED = 'hush-77b0c2d4e6f81935-another-one-nobody-may-see';

test('printing an object never reveals a secret', async (t) => {
  const server = await startClearServer(
    [HUSH, HUSHED],
    {
      mod: {
        fail: () => {
          throw new TypeError('no');
        },
        wrong: () => Symbol('no term') as unknown,
      },
    },
    { host: '127.0.0.1', port: 0, replayProtection: 'prefer' },
  );
  t.teardown(() => server.close({ timeout: 0 }));
  const client = new Client({ url: server.url, secret: [HUSH, HUSHED], ...PATIENT });
  const stranger = new Client({ url: server.url, secret: `${HUSH}, but another` });
  const nobody = new Client({ url: 'http://127.0.0.1:1', secret: HUSH });
  t.teardown(() => Promise.all([client, stranger, nobody].map((one) => one.close())));

  const things: unknown[] = [server, client, stranger, nobody, server.stats(), client.stats()];
  const failing: (() => unknown)[] = [
    () => client.call('mod', 'fail'),
    () => client.call('mod', 'wrong'),
    () => client.call('mod', 'missing'),
    () => client.call('mod', 'fail', [Symbol('no term')]),
    () => client.call('mod', 'fail', [], { recvTimeout: -1 }),
    () => client.call('', 'fail'),
    () => stranger.call('mod', 'fail'),
    () => nobody.call('mod', 'fail'),
    () => new Client({ url: 'http://a b', secret: HUSH }),
    () => new Client({ url: server.url, secret: [HUSH, 5 as never] }),
    () => new Client({ url: server.url, secret: [HUSH, ''] }),
    () => new Client({ url: server.url, secret: { secret: HUSH } as never }),
    () => new Client({ url: server.url, secret: new Set([HUSH]) as never }),
    () => new Client({ url: server.url, secret: `${HUSH}\ud800` }),
    () => new Client({ url: server.url, sekret: HUSH } as never),
    () => client.setSecrets([HUSH, null as never]),
    () => startClearServer([HUSH, ''], {}),
    () => startClearServer(HUSH, { mod: 5 as never }),
    () => startClearServer(HUSH, {}, { host: '203.0.113.1', port: 1 }),
    () =>
      decodeResponse(
        { secret: HUSH, requestId: Buffer.alloc(16).toString('base64') },
        { status: 200, headers: {}, body: Buffer.alloc(0) },
      ),
    () => encodeRequest({ url: server.url, secret: HUSH }, 'mod', 'fail', [Symbol('no term')]),
  ];
  for (const fail of failing) {
    try {
      await fail();
      t.fail(`${String(fail)} does not fail`);
    } catch (error) {
      things.push(error, (error as Error).stack);
    }
  }
  things.push(encodeRequest({ url: server.url, secret: HUSH }, 'mod', 'fail', [tuple(1)]));
  const text = things
    .flatMap((thing) => [
      inspect(thing, {
        showHidden: true,
        depth: Infinity,
        getters: true,
        maxArrayLength: Infinity,
      }),
      String(thing),
      JSON.stringify(thing) ?? '',
    ])
    .join('\n');
  t.true(text.length > 5000);
  for (const form of [HUSH, HUSHED].flatMap(formsOf)) t.false(text.includes(form), form);
});

function run(program: string): { output: string; status: number | null } {
  const index = join(root, 'build-test', 'src', 'index.js');
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import * as backwater from ${JSON.stringify(index)};\n${program}`,
    ],
    { encoding: 'utf8', timeout: 240_000 },
  );
  return { output: stdout + stderr, status };
}

test('warnings and the output of a dying program reveal no secret', (t) => {
  for (const [end, failed] of [
    [`await client.call('mod', 'missing')`, 1],
    [`process.on('exit', () => console.log(client, server)); process.exit(3)`, 3],
    [`setTimeout(() => { throw Object.assign(new Error('dies'), { client, server }) })`, 1],
    [`new backwater.Client({ url: server.url, secret: ['${HUSH}', ''] })`, 1],
  ] as const) {
    const { output, status } = run(`
      const server = await backwater.startClearServer('${HUSH}', {}, { host: '127.0.0.1', port: 0 });
      const client = new backwater.Client({ url: server.url, secret: '${HUSH}' });
      ${end};
    `);
    t.is(status, failed, output);
    // Node prints the line that throws, where the test itself has put the secret.
    const printed = output.split('\n').filter((line) => !line.includes(`secret: ['${HUSH}'`));
    for (const form of formsOf(HUSH)) t.false(printed.join('\n').includes(form), output);
  }
});

test('a short secret causes one warning per process', (t) => {
  const { output } = run(`
    process.on('warning', ({ name, code, message }) => console.log('WARNED', name, code, message));
    const url = '127.0.0.1:8080';
    const clients = ['shh-short', 'x'.repeat(31), Buffer.alloc(8, 7)].map(
      (secret) => new backwater.Client({ url, secret }));
    clients.push(new backwater.Client({ url, secret: ['x'.repeat(32), 'shh-other'] }));
    await Promise.all(clients.map((client) => client.close()));
  `);
  const warnings = output.split('\n').filter((line) => line.startsWith('WARNED'));
  t.is(warnings.length, 1, output);
  t.regex(warnings[0]!, /^WARNED BackwaterWarning BACKWATER_SHORT_SECRET secret has 9 bytes/);
  t.false(output.includes('shh-'), output);
});

test('32-byte secrets in any form cause no warning', (t) => {
  const { output } = run(`
    process.on('warning', ({ code }) => console.log('WARNED', code));
    const url = '127.0.0.1:8080';
    const clients = ['x'.repeat(32), 'é'.repeat(16), Buffer.alloc(32, 7), new Uint8Array(64).fill(1)].map(
      (secret) => new backwater.Client({ url, secret }));
    await Promise.all(clients.map((client) => client.close()));
  `);
  t.false(output.includes('WARNED'), output);
});
