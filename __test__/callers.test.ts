import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import {
  type CallContext,
  decodeResponse,
  encodeRequest,
  expose,
  OptionError,
  RemoteError,
  ResponseAuthenticationError,
  startClearServer,
  startTlsServer,
  type Modules,
  type Server,
  type ServerOptions,
  type ServerSecrets,
} from '../src/index.js';
import { erlangAvailable, startErlangClient } from './interop/erlang.js';
import { Authority } from './support/certificates.js';
import { connect } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest, type SignedParts } from './support/signing.js';

const withErlang = erlangAvailable() ? test.serial : test.serial.skip;
const authority = new Authority();
test.after.always(() => authority.remove());

const secretOf = (name: string): string => name.padEnd(32, '.');
const BILLING = secretOf('billing');
const WEB = secretOf('web');
const OLD_WEB = secretOf('old web');

const context = true;
const who = { who: expose.fn(({ caller }: CallContext) => caller ?? null, { context }) };
const modules: Modules = { m: who };

async function start(
  t: ExecutionContext,
  secrets: ServerSecrets,
  options: ServerOptions = {},
  served: Modules | URL = modules,
): Promise<Server> {
  const server = await startClearServer(secrets, served, {
    host: '127.0.0.1',
    port: 0,
    ...options,
  });
  t.teardown(() => server.close({ timeout: 100 }));
  return server;
}

async function takenFor(
  t: ExecutionContext,
  server: Server,
  secret: string,
  caller?: string,
): Promise<unknown> {
  const client = connect(t, server, { secret, caller });
  try {
    return await client.call('m', 'who');
  } catch (error) {
    if (error instanceof RemoteError) return error.reason;
    if (!(error instanceof ResponseAuthenticationError)) throw error;
    return error.unverified?.body;
  }
}

async function statusOf(server: Server, request: SignedParts): Promise<[number, string]> {
  const { answers } = await exchangeRaw(server.port, requestBytes(request), 1);
  return [answers[0]!.status, answers[0]!.body.toString()];
}

test('the secret that signed a request determines the caller', async (t) => {
  const secrets = { billing: BILLING, web: [WEB, OLD_WEB], bytes: Buffer.from(secretOf('bytes')) };
  const server = await start(t, secrets);
  t.is(await takenFor(t, server, BILLING), 'billing');
  t.is(await takenFor(t, server, WEB), 'web');
  t.is(await takenFor(t, server, OLD_WEB), 'web');
  t.is(await takenFor(t, server, secretOf('bytes')), 'bytes');
  t.is(await takenFor(t, server, secretOf('stranger')), 'invalid_signature');
  for (const [name, secret] of [
    ['billing', BILLING],
    ['web', OLD_WEB],
  ] as const) {
    t.is(await takenFor(t, server, secret, name), name);
  }
});

test('a caller is null if secrets have no names, whatever name the request gives', async (t) => {
  for (const secret of [BILLING, [WEB, BILLING], Buffer.from(BILLING)]) {
    const server = await start(t, secret);
    t.is(await takenFor(t, server, BILLING), null);
    t.is(await takenFor(t, server, BILLING, 'anybody'), null);
    t.deepEqual(server.stats().callers, {});
  }
});

test('a name without its secret is refused', async (t) => {
  const server = await start(t, { billing: BILLING, web: [WEB, OLD_WEB] });
  t.is(await takenFor(t, server, WEB, 'billing'), 'invalid_signature');
  t.is(await takenFor(t, server, BILLING, 'web'), 'invalid_signature');
  t.is(await takenFor(t, server, BILLING, 'Billing'), 'invalid_signature');
  t.is(await takenFor(t, server, BILLING, 'nobody'), 'invalid_signature');
  t.is(await takenFor(t, server, secretOf('nobody'), 'nobody'), 'invalid_signature');
  t.deepEqual(server.stats().refused, { invalid_signature: 2, unknown_caller: 3 });
});

test('an unsigned name is ignored', async (t) => {
  const server = await start(t, { billing: BILLING, web: WEB });
  const usual = ['accept', 'content-length', 'content-type', 'digest', 'x-request-id'];
  const target = '/backwater/1/m/who/0';
  for (const name of ['web', 'unknown', '', 'é']) {
    const headers = { 'x-backwater-caller': name };
    const forged = signedRequest(BILLING, { target, headers, signed: usual });
    const { answers } = await exchangeRaw(server.port, requestBytes(forged), 1);
    const { status, headers: given, body } = answers[0]!;
    const result = decodeResponse(
      { secret: BILLING, requestId: forged.requestId },
      { status, headers: [...given], body },
    );
    t.is(result, 'billing', name);
  }
  const signed = signedRequest(BILLING, { target, headers: { 'x-backwater-caller': 'billing' } });
  const without = signed.headers.filter(([name]) => name !== 'x-backwater-caller');
  const variants: [SignedParts['headers'], string][] = [
    [signed.headers, ''],
    [[...without, ['x-backwater-caller', 'web']], 'invalid_signature'],
    [[...without, ['x-backwater-caller', 'billinG']], 'invalid_signature'],
    [
      [...signed.headers, ['x-backwater-caller', 'billing']],
      '{duplicate_header,<<"x-backwater-caller">>}',
    ],
    [without, '{missing_header,<<"x-backwater-caller">>}'],
  ];
  for (const [headers, text] of variants) {
    const [status, body] = await statusOf(server, { ...signed, headers });
    t.is(status, text === '' ? 200 : 401);
    if (text !== '') t.is(body, text);
  }
});

test('a module can be limited to some callers', async (t) => {
  const counted = { calls: 0, count: () => ++counted.calls };
  const served: Modules = {
    all: who,
    some: expose(
      { count: counted.count, hidden: () => 1 },
      { exports: ['count'], callers: ['billing'] },
    ),
    both: expose(who, { callers: ['billing', 'web'] }),
    later: expose(who, { callers: ['reports'] }),
  };
  const server = await start(t, { billing: BILLING, web: WEB }, {}, served);
  const billing = connect(t, server, { secret: BILLING, caller: 'billing' });
  const web = connect(t, server, { secret: WEB });
  t.is(await billing.call('some', 'count'), 1);
  t.is(await billing.call('both', 'who'), 'billing');
  t.is(await web.call('both', 'who'), 'web');
  // Forbidden callers do not learn what a module has.
  for (const fn of ['count', 'hidden', 'missing']) {
    const error = await t.throwsAsync(web.call('some', fn), { instanceOf: RemoteError });
    t.is(error.httpStatus, 403);
    t.is(error.status, 'forbidden');
    t.is(error.reason, 'caller_not_allowed');
    t.regex(error.message, /callers/);
  }
  t.is(counted.calls, 1);
  for (const client of [billing, web]) {
    const error = await t.throwsAsync(client.call('later', 'who'), { instanceOf: RemoteError });
    t.is(error.reason, 'caller_not_allowed');
  }
  server.setSecrets({ billing: BILLING, web: WEB, reports: secretOf('reports') });
  const reports = connect(t, server, { secret: secretOf('reports') });
  t.is(await reports.call('later', 'who'), 'reports');
  t.deepEqual(server.stats().callers, {
    billing: { calls: 2, refused: 1 },
    reports: { calls: 1, refused: 0 },
    web: { calls: 1, refused: 4 },
  });
  const unnamed = await start(t, BILLING, {}, served);
  const error = await t.throwsAsync(connect(t, unnamed, { secret: BILLING }).call('both', 'who'));
  t.is((error as RemoteError).reason, 'caller_not_allowed');
});

test('expose refuses invalid callers', (t) => {
  for (const callers of [
    [],
    'billing',
    [''],
    ['a b'],
    ['é'],
    [1],
    null,
    [secretOf('x') + 'x'.repeat(40)],
  ]) {
    const error = t.throws(() => expose(who, { callers: callers as string[] }), {
      instanceOf: OptionError,
    });
    t.is(error.option, 'callers');
  }
  t.throws(() => expose(who, {}), { instanceOf: OptionError, message: /'exports'/ });
});

function many(count: number): Record<string, string> {
  const names = Array.from({ length: count }, (_, index) => `caller-${index}`);
  return Object.fromEntries(names.map((name) => [name, secretOf(name)]));
}

test('a server tries at most sixteen secrets for a request without a name', async (t) => {
  const server = await start(t, many(16));
  t.is(await takenFor(t, server, secretOf('caller-15')), 'caller-15');
  const legacy = (count: number) => ({
    secret: Array.from({ length: count }, (_, index) => secretOf(`legacy ${index}`)),
    hint: 'optional' as const,
  });
  const wrong: [ServerSecrets, RegExp][] = [
    [many(17), /17 secrets in all, and at most 16 .* hint: 'optional'/],
    [{ a: Array.from({ length: 16 }, (_, i) => secretOf(`a${i}`)), b: WEB }, /17 secrets/],
    [{ ...many(1), a: legacy(16), b: { ...legacy(1), secret: WEB } }, /'optional' have 17 secrets/],
    [Array.from({ length: 17 }, (_, i) => secretOf(`${i}`)), /at most 16 secrets, not 17/],
    [{ a: legacy(17) }, /at most 16 secrets, not 17/],
  ];
  for (const [secrets, message] of wrong) {
    const error = await t.throwsAsync(start(t, secrets), { instanceOf: OptionError, message });
    t.regex(error.option, /^secret/);
    t.throws(() => server.setSecrets(secrets), { instanceOf: OptionError, message });
  }
  t.is(await takenFor(t, server, secretOf('caller-3')), 'caller-3');

  server.setSecrets({ ...many(1000), legacy: legacy(16) });
  t.is(await takenFor(t, server, secretOf('legacy 15')), 'legacy');
  t.is(await takenFor(t, server, secretOf('legacy 0'), 'legacy'), 'legacy');
  t.is(await takenFor(t, server, secretOf('caller-999'), 'caller-999'), 'caller-999');
  t.is(await takenFor(t, server, secretOf('caller-0'), 'caller-0'), 'caller-0');
  t.is(await takenFor(t, server, secretOf('caller-0')), 'invalid_signature');
  server.setSecrets({ ...many(1000), web: { secret: WEB, hint: 'required' } });
  t.is(await takenFor(t, server, WEB), 'invalid_signature');
  t.is(await takenFor(t, server, WEB, 'web'), 'web');
  t.is(await takenFor(t, server, secretOf('caller-7'), 'caller-7'), 'caller-7');
});

test('a server refuses invalid callers', async (t) => {
  const server = await start(t, BILLING);
  const wrong: [unknown, string, RegExp][] = [
    [{}, 'secret', /at least one caller/],
    [{ '': WEB }, 'secret', /1 to 64 visible ASCII/],
    [{ 'a b': WEB }, 'secret', /1 to 64 visible ASCII/],
    [{ é: WEB }, 'secret', /1 to 64 visible ASCII/],
    [{ ['x'.repeat(65)]: WEB }, 'secret', /1 to 64 visible ASCII/],
    [{ web: '' }, 'secret.web', /not empty/],
    [{ web: [] }, 'secret.web', /at least one secret/],
    [{ web: [WEB, 5] }, 'secret.web[1]', /not number/],
    [{ web: undefined }, 'secret.web', /not undefined/],
    [{ web: new Map() }, 'secret.web', /not object/],
    [{ web: { secret: '' } }, 'secret.web.secret', /not empty/],
    [{ web: { hint: 'optional' } }, 'secret.web.secret', /not undefined/],
    [{ web: { secret: WEB, hint: true } }, 'secret.web.hint', /'optional' or 'required'/],
    [{ web: { secret: WEB, hints: 'optional' } }, 'secret.web.hints', /unknown option 'hints'/],
    [{ web: WEB, billing: [BILLING, WEB] }, 'secret', /'web' and 'billing' have the same secret/],
    [{ a: 'x', b: 'x\0' }, 'secret', /'a' and 'b' have the same secret/],
    [new Date(), 'secret', /Uint8Array or a string/],
  ];
  for (const [secrets, option, message] of wrong) {
    const expectation = { instanceOf: OptionError, message };
    const given = secrets as ServerSecrets;
    const error = await t.throwsAsync(start(t, given), expectation);
    t.is(error.option, option);
    for (const secret of [WEB, BILLING]) t.false(error.message.includes(secret));
    t.throws(() => server.setSecrets(given), expectation);
  }
  t.is(await takenFor(t, server, BILLING), null);
  const names = ['!', '~', 'x'.repeat(64), '__proto__', 'constructor', '0'];
  const entries = names.map((name) => [name, secretOf(`s${name}`)] as const);
  server.setSecrets(Object.fromEntries(entries));
  for (const [name, secret] of entries) t.is(await takenFor(t, server, secret, name), name);
  t.deepEqual(Object.keys(server.stats().callers).sort(), [...names].sort());
  for (const caller of ['', 'a b', 'é', 'x'.repeat(65), 'a\r\nb', 5 as never]) {
    const options = { secret: WEB, caller };
    const error = t.throws(() => connect(t, server, options), { instanceOf: OptionError });
    t.is(error.option, 'caller');
  }
});

test('callers can be added, changed and removed during calls', async (t) => {
  const server = await start(t, { billing: BILLING });
  const billing = connect(t, server, { secret: BILLING, caller: 'billing', maxConnections: 4 });
  let isOver = false;
  const calling = Array.from({ length: 4 }, async () => {
    let calls = 0;
    while (!isOver) {
      t.is(await billing.call('m', 'who'), 'billing');
      calls++;
    }
    return calls;
  });
  const web = connect(t, server, { secret: WEB, caller: 'web' });
  for (let round = 0; round < 20; round++) {
    t.is(await takenFor(t, server, WEB, 'web'), 'invalid_signature');
    server.setSecrets({ billing: BILLING, web: WEB });
    t.is(await web.call('m', 'who'), 'web');
    server.setSecrets({ web: [OLD_WEB, WEB], billing: [BILLING, secretOf('next')] });
    t.is(await web.call('m', 'who'), 'web');
    server.setSecrets({
      ...many(500),
      web: OLD_WEB,
      billing: { secret: BILLING, hint: 'required' },
    });
    t.is(await takenFor(t, server, OLD_WEB, 'web'), 'web');
    await t.throwsAsync(web.call('m', 'who'), { instanceOf: ResponseAuthenticationError });
    server.setSecrets({ billing: BILLING });
  }
  isOver = true;
  for (const calls of await Promise.all(calling)) t.true(calls > 0);
  t.deepEqual(Object.keys(server.stats().callers), ['billing']);
});

test('a removed caller still gets the answers to its running calls', async (t) => {
  let answer!: (value: string) => void;
  let arrived!: () => void;
  const arrival = new Promise<void>((resolve) => (arrived = resolve));
  const slow = (): Promise<string> => {
    arrived();
    return new Promise((resolve) => (answer = resolve));
  };
  const server = await start(t, { billing: BILLING, web: WEB }, {}, { m: { slow, ...who } });
  const web = connect(t, server, { secret: WEB, caller: 'web' });
  const call = web.call('m', 'slow');
  await arrival;
  server.setSecrets({ billing: BILLING });
  answer('late');
  t.is(await call, 'late');
  await t.throwsAsync(web.call('m', 'who'), { instanceOf: ResponseAuthenticationError });
  t.deepEqual(server.stats().callers, { billing: { calls: 0, refused: 0 } });
});

test('a server signs every refusal with the secret of the caller', async (t) => {
  const options = { maxEncodedArgsSize: 100, replayProtection: 'require' } as const;
  const served = { m: { ...who, echo: (value: unknown) => value } };
  const server = await start(t, { ...many(14), web: [OLD_WEB, WEB] }, options, served);
  const client = connect(t, server, { secret: WEB, replayProtection: true });
  for (const [module, fn, args, status] of [
    ['missing', 'f', [], 403],
    ['m', 'f', [], 404],
    ['m', 'echo', ['x'.repeat(200)], 413],
  ] as const) {
    const error = await t.throwsAsync(client.call(module, fn, args), { instanceOf: RemoteError });
    t.is(error.httpStatus, status);
  }
  const hasty = connect(t, server, { secret: WEB });
  const error = await t.throwsAsync(hasty.call('m', 'who'), { instanceOf: RemoteError });
  t.is(error.reason, 'missing_created');
  const { callers, refused } = server.stats();
  t.deepEqual(callers['web'], { calls: 0, refused: 4 });
  const expected = {
    forbidden: 1,
    function_not_found: 1,
    payload_too_large: 1,
    missing_created: 1,
  };
  t.deepEqual(refused, expected);
});

test('requests for other HTTP clients name their caller', async (t) => {
  const server = await start(t, { billing: BILLING, web: { secret: WEB, hint: 'required' } });
  const target = { url: server.url, secret: WEB, caller: 'web' };
  const { url, method, headers, body, requestId } = encodeRequest(target, 'm', 'who');
  t.is(headers['x-backwater-caller'], 'web');
  const response = await fetch(url, { method, headers, body });
  const given = {
    status: response.status,
    headers: response.headers,
    body: await response.arrayBuffer(),
  };
  t.is(decodeResponse({ secret: WEB, requestId }, given), 'web');
});

test('callers work over TLS', async (t) => {
  const server = await startTlsServer({ billing: BILLING, web: WEB }, modules, {
    host: '127.0.0.1',
    port: 0,
    tls: authority.server(),
  });
  t.teardown(() => server.close({ timeout: 100 }));
  const tls = { ca: authority.cert };
  const web = connect(t, server, { secret: WEB, caller: 'web', tls });
  t.is(await web.call('m', 'who'), 'web');
  server.setSecrets({ billing: BILLING });
  await t.throwsAsync(web.call('m', 'who'), { instanceOf: ResponseAuthenticationError });
  t.is(await connect(t, server, { secret: BILLING, tls }).call('m', 'who'), 'billing');
});

test.serial('callers work with worker threads', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-callers-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'module.mjs');
  const library = new URL('../src/index.js', import.meta.url).href;
  writeFileSync(
    file,
    `import { expose } from '${library}';
    const who = expose.fn(({ caller, metadata }) => [caller, ...metadata.keys()], { context: true });
    const fail = () => { throw new Error('expected'); };
    export const m = expose({ who, fail }, { callers: ['web'] });`,
  );
  const server = await start(
    t,
    { billing: BILLING, web: WEB },
    { workers: 2 },
    pathToFileURL(file),
  );
  const web = connect(t, server, { secret: WEB, metadata: { tenant: 'acme' } });
  t.deepEqual(await web.call('m', 'who'), ['web', 'tenant']);
  await t.throwsAsync(web.call('m', 'fail'), { message: /expected/ });
  const billing = connect(t, server, { secret: BILLING });
  const error = await t.throwsAsync(billing.call('m', 'who'), { instanceOf: RemoteError });
  t.is(error.reason, 'caller_not_allowed');
  const { callers, exceptions, refused } = server.stats();
  t.deepEqual(callers, { billing: { calls: 0, refused: 1 }, web: { calls: 2, refused: 0 } });
  t.deepEqual(exceptions, { error: 1, exit: 0, throw: 0 });
  t.deepEqual(refused, { caller_not_allowed: 1 });
});

for (const kind of ['clear', 'TLS'] as const) {
  withErlang(`Erlang's client is identified by its secret alone, ${kind}`, async (t) => {
    const erlang = { secret: [WEB, secretOf('erlang')], hint: 'optional' } as const;
    const secrets = { ...many(1000), erlang };
    const served: Modules = {
      m: expose(who, { callers: ['erlang'] }),
      n: expose(who, { callers: ['x'] }),
    };
    const options = { host: '127.0.0.1', port: 0 };
    const server =
      kind === 'TLS'
        ? await startTlsServer(secrets, served, { ...options, tls: authority.server() })
        : await startClearServer(secrets, served, options);
    t.teardown(() => server.close({ timeout: 100 }));
    const client = startErlangClient({ secret: secretOf('erlang') });
    t.teardown(() => client.close());
    const url = server.url.replace('127.0.0.1', 'localhost');
    const ssl = `[{verify, verify_peer}, {cacertfile, "${authority.cert}"}]`;
    const tls = kind === 'TLS' ? { ssl } : {};
    t.like(await client.call(url, 'm', 'who', '[]', tls), { ok: '<<"erlang">>' });
    t.like(await client.call(url, 'n', 'who', '[]', tls), {
      status: 403,
      body: 'caller_not_allowed',
    });
    const stranger = { ...tls, secret: secretOf('stranger') };
    t.like(await client.call(url, 'm', 'who', '[]', stranger), { status: 401 });
    const other = { ...tls, secret: secretOf('caller-1') };
    t.like(await client.call(url, 'm', 'who', '[]', other), { status: 401 });
  });
}
