import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { freePort } from './support/fleet.js';
import { EXIT, EXIT_MEANINGS, statusOf } from '../src/cli/exit.js';
import {
  atom,
  BitString,
  Client,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  decode,
  encode,
  ImproperList,
  OptionError,
  Pid,
  QueueFullError,
  raise,
  RemoteError,
  ResponseAuthenticationError,
  ResponseError,
  TimeoutError,
  tuple,
  type Server,
  startClearServer,
  startTlsServer,
} from '../src/index.js';
import { jsonOf } from '../src/cli/values.js';
import { Authority } from './support/certificates.js';
import { projectRoot } from './support/root.js';
import { PATIENT, serve as startServer, tcpServer } from './support/rpc.js';

const PROGRAM = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
const MODULE = fileURLToPath(new URL('../src/platform/inspect.js', import.meta.url));
const SECRET = 'a secret for tests, 32 bytes long!';
const TIMEOUT = 240_000;

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly errors: string;
}

interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const { BACKWATER_SECRET: _, ...rest } = process.env;
  return spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...rest, ...env },
    timeout: TIMEOUT,
    killSignal: 'SIGKILL',
    // A process group, so that children can be killed with it.
    detached: true,
  });
}

function run(args: readonly string[], { input, env }: RunOptions = {}): Promise<Result> {
  const child = start(args, env);
  child.stdin!.on('error', () => {});
  child.stdin!.end(input);
  return resultOf(child);
}

function resultOf(child: ChildProcess): Promise<Result> {
  const out: Buffer[] = [];
  let errors = '';
  child.stdout!.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      resolve({ status, out: Buffer.concat(out).toString('latin1'), errors });
    });
  });
}

const withSecret = { env: { BACKWATER_SECRET: SECRET } };

const modules = {
  test: {
    echo: (value: unknown) => value,
    add: (a: number, b: number) => a + b,
    terms: () => tuple(atom('ok'), [97, 'b'], new Map([[1, null]])),
    fail: () => {
      throw new TypeError('bad thing');
    },
    raise: () => raise('exit', tuple(atom('shutdown'), atom('Elixir.Foo'))),
    slow: () => new Promise((done) => setTimeout(done, 60_000).unref()),
  },
};

const server = (t: ExecutionContext): Promise<Server> => startServer(t, modules);

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'backwater-cli-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('help and --version succeed, and unknown commands fail', async (t) => {
  const { version } = JSON.parse(
    await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  t.like(await run(['--version']), { status: 0, out: `${version}\n`, errors: '' });
  for (const args of [['help'], ['--help']]) {
    const { status, out } = await run(args);
    t.is(status, 0);
    for (const name of ['secret', 'serve', 'call', 'encode', 'decode', 'bench', 'doctor']) {
      t.true(out.includes(`\n  ${name} `), name);
    }
  }
  const help = await run(['help', 'call']);
  t.is(help.status, 0);
  t.regex(
    help.out,
    /^Usage: backwater call URL MODULE FUNCTION \[ARGUMENT\.\.\.\] \[OPTIONS\]\n\nExamples:\n {2}# /m,
  );
  t.deepEqual(await run(['call', 'x', '--help']), help);
  t.is((await run([])).status, 2);
  const unknown = await run(['frob']);
  t.is(unknown.status, 2);
  t.regex(
    unknown.errors,
    /^backwater: unknown command 'frob'; the commands are secret, serve.* and help\n$/,
  );
});

test('each invalid command line gets a one-line error that says what to do', async (t) => {
  for (const [args, message] of [
    [['call'], "missing argument URL; see 'backwater call --help'"],
    [['call', 'x', 'm'], 'missing argument FUNCTION'],
    [['call', '127.0.0.1', 'm', 'f'], 'missing secret: use --secret-file PATH'],
    [['call', '--secret', 'x'], 'a secret on the command line is visible to every user'],
    [['call', '--secret=x'], 'a secret on the command line is visible to every user'],
    [['call', '--frob'], "Unknown option '--frob'"],
    [['call', 'http://a/b?c', 'm', 'f', '--secret-file', PROGRAM], "option 'url' cannot have"],
    [
      ['call', 'x', 'm', 'f', 'text'],
      'argument 1 is not JSON: text (write a string as \'"text"\')',
    ],
    [
      ['call', 'x', 'm', 'f', '{a', '--erlang'],
      "argument 1 is not an Erlang term: line 1, column 3: expected ',' or '}'",
    ],
    [['call', 'x', 'm', 'f', '--secret-file', '/no/such'], 'cannot read the secret: ENOENT'],
    [['call', 'x', 'm', 'f', '--timeout', '5', '--secret-file', PROGRAM], '--timeout takes a time'],
    [
      ['call', 'x', 'm', 'f', '-o', 'xml', '--secret-file', PROGRAM],
      '--output takes json, js, erlang or elixir, not',
    ],
    [['secret', 'x'], "unexpected argument 'x'"],
    [['secret', '--bytes', '8'], '--bytes takes an integer from 16 to 1024'],
    [['serve', '/no/such.js'], 'no such file: /no/such.js'],
    [
      ['bench', 'x', 'm', 'f', '--calls', '0', '--secret-file', PROGRAM],
      '--calls takes an integer',
    ],
    [['decode', '/no/such'], 'ENOENT'],
    [['decode', 'a', 'b'], "unexpected argument 'b'"],
    [['encode', tmpdir()], `cannot read the value: ${tmpdir()} is a directory`],
    [
      ['call', 'x', 'm', 'f', '{"a":\n1,}'],
      'argument 1 is not JSON: Expected double-quoted property name in JSON at position 8',
    ],
    [
      ['call', 'x', 'm', 'f', "'text'"],
      `argument 1 is not JSON: 'text' (write a string as '"text"')`,
    ],
    [['serve', MODULE, '--key', 'x', '--secret-file', PROGRAM], '--key needs --cert'],
    [['serve', MODULE, '--client-ca', 'x', '--secret-file', PROGRAM], '--client-ca needs --cert'],
    [['doctor', 'x', '--ca', 'x', '--secret-file', PROGRAM], "option 'tls' is for https URLs"],
    [
      ['doctor', 'https://x', '--cert', PROGRAM, '--key', PROGRAM, '--secret-file', PROGRAM],
      "option 'tls.cert' takes certificates in PEM form",
    ],
  ] as const) {
    const { status, out, errors } = await run(args);
    t.is(status, 2, args.join(' '));
    t.is(out, '');
    t.true(errors.startsWith('backwater: ') && errors.includes(message), errors);
    t.is(errors.trimEnd().split('\n').length, 1, errors);
  }
});

function runLine(cwd: string, line: string, more = ''): Promise<Result> {
  const program = `backwater() { '${process.execPath}' '${PROGRAM}' "$@" ${more}; }`;
  const child = spawn('bash', ['-c', `${program}\n${line}`], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return resultOf(child);
}

test('the examples in the help and on the page are valid command lines', async (t) => {
  const page = await readFile(join(projectRoot(), 'docs/cli.md'), 'utf8');
  const blocks = Array.from(page.matchAll(/^```sh\n([^]*?)^```/gm), ([, lines]) => lines!);
  const commands = ['secret', 'serve', 'call', 'encode', 'decode', 'bench', 'doctor'];
  const helps = await Promise.all(commands.map((name) => run(['help', name])));
  const examples = [
    ...blocks,
    ...helps.map(({ out }) => /^Examples:\n([^]*?)\n\n\S/m.exec(out)![1]!),
  ]
    .flatMap((text) => text.split('\n'))
    .map((line) => line.replace(/^.*?(?=\bbackwater )/, '').replace(/ +[&#](?: .*)?$/, ''))
    .filter((line) => line.startsWith('backwater '));
  t.true(examples.length > 15);
  const cwd = await folder(t);
  for (const example of examples) {
    const { status, errors } = await runLine(
      cwd,
      example.replace(/[<>].*$/, ''),
      '--frob < /dev/null',
    );
    t.is(status, 2, example);
    t.regex(errors, /Unknown option '--frob'/, example);
  }
});

test('the pipelines on the page print what the page says', async (t) => {
  const page = await readFile(join(projectRoot(), 'docs/cli.md'), 'utf8');
  const lines = Array.from(page.matchAll(/^(echo .*\| backwater .*?) +# (.*)$/gm));
  t.true(lines.length >= 2);
  const cwd = await folder(t);
  for (const [, line, expected] of lines) {
    t.like(await runLine(cwd, line!), { status: 0, out: `${expected}\n`, errors: '' });
  }
});

test('secret generates secrets', async (t) => {
  const one = await run(['secret']);
  t.is(one.status, 0);
  t.is(Buffer.from(one.out, 'base64').length, 32);
  t.not((await run(['secret'])).out, one.out);
  t.is(Buffer.from((await run(['secret', '--bytes', '64'])).out, 'base64').length, 64);
  const path = join(await folder(t), 'secret');
  t.is((await run(['secret', '--write', path])).status, 0);
  t.is((await stat(path)).mode & 0o777, 0o600);
  const text = await readFile(path, 'utf8');
  const again = await run(['secret', '--write', path]);
  t.is(again.status, 2);
  t.regex(again.errors, /already exists/);
  t.is(await readFile(path, 'utf8'), text);
});

test('call prints the result in four formats', async (t) => {
  const { url } = await server(t);
  for (const [args, out] of [
    [['add', '1', '-2'], '-1'],
    [['add', '[1, 2]'], '3'],
    [['echo', '[[1, 2]]'], '[1,2]'],
    [['echo', '"é"'], Buffer.from('"é"').toString('latin1')],
    [['terms'], '["ok",[97,"b"],[[1,null]]]'],
    [['terms', '-o', 'js'], "tuple(atom('ok'), [ 97, 'b' ], new Map([ [ 1, null ] ]))"],
    [['terms', '--output', 'erlang'], '{ok,[97,<<"b">>],#{1 => nil}}'],
    [['terms', '--output', 'elixir'], '{:ok, [97, "b"], %{1 => nil}}'],
    [['echo', '{ok, <<"x">>}', '--erlang', '-o', 'erlang'], '{ok,<<"x">>}'],
    [['add', '[1, 2]', '--erlang'], '3'],
    [['echo', '{"a": 1}', '--atom-keys', '-o', 'elixir'], '%{"a" => 1}'],
    [['echo', '18446744073709551616', '--erlang'], '18446744073709551616'],
  ] as const) {
    const result = await run(['call', url, 'test', ...args], withSecret);
    t.deepEqual(result, { status: 0, out: `${out}\n`, errors: '' }, args.join(' '));
  }
  const stdin = await run(['call', url, 'test', 'echo', '-'], { ...withSecret, input: '["in"]' });
  t.is(stdin.out, '"in"\n');
});

test('results of `--output js` can be pasted into Node', async (t) => {
  const terms = [
    tuple(atom('ok'), new Map<unknown, unknown>([[1, { 'a-b': [2n ** 70n, -0.5] }]])),
    Buffer.from([0, 255]),
    new ImproperList([Buffer.from([254])], "it's"),
    new BitString(Buffer.from([160]), 3),
    new Pid(atom('n@h'), 1, 2, 3),
    Array.from({ length: 200 }, (_, index) => tuple(index, 'x'.repeat(index))),
  ];
  const input = encode(terms, { markBytes: true });
  const { out } = await run(['decode', '-o', 'js'], { input });
  const names = { atom, tuple, ImproperList, BitString, Pid };
  const value: unknown = new Function(...Object.keys(names), `return ${out}`)(
    ...Object.values(names),
  );
  t.deepEqual(encode(value, { markBytes: true }), input);
});

test('secrets can come from files and stdin', async (t) => {
  const { url } = await server(t);
  const path = join(await folder(t), 'secret');
  await writeFile(path, `${SECRET}\n`);
  const call = ['call', url, 'test', 'add', '1', '2'];
  t.is((await run([...call, '--secret-file', path])).out, '3\n');
  t.is((await run([...call, '--secret-file', '-'], { input: `${SECRET}\r\n` })).out, '3\n');
  const healthy = await run(['doctor', url, '--secret-file', '-'], { input: SECRET });
  t.is(healthy.status, 0, healthy.out);
  const short = await run([...call, '--secret-file', '-'], { input: 'short' });
  t.regex(short.errors, /^backwater: secret has 5 bytes: /);
  await writeFile(path, '\n');
  const empty = await run([...call, '--secret-file', path]);
  t.is(empty.status, 2);
  t.regex(empty.errors, /is empty/);
});

test('stdin is read once, and a secret from it is neither sent nor printed', async (t) => {
  const { url } = await server(t);
  const digits = '12345678901234567890123456789012';
  for (const args of [
    ['call', url, 'test', 'echo', '-', '--secret-file', '-'],
    ['bench', url, 'test', 'echo', '-', '--secret-file', '-'],
    ['call', url, 'test', 'add', '-', '-'],
    ['doctor', url, '--secret-file', '-', '--secret-file', '-'],
  ]) {
    const { status, out, errors } = await run(args, { input: digits, ...withSecret });
    t.is(status, 2, args.join(' '));
    t.regex(errors, /^backwater: stdin can be read only once: /);
    t.false(`${out}${errors}`.includes(digits));
  }
});

test('a failure to write the output is reported in one line', async (t) => {
  const full = spawn('sh', ['-c', `'${process.execPath}' '${PROGRAM}' secret > /dev/full`]);
  const { status, errors } = await resultOf(full);
  t.is(status, 2);
  t.regex(errors, /^backwater: cannot write the output: ENOSPC.*\n$/);
});

for (const code of ['EPIPE', 'ECONNRESET']) {
  test(`the command ends in silence if a write fails with ${code}`, async (t) => {
    // Which code a write fails with is up to the system, so the output fails with each.
    const failing = `
      const error = Object.assign(new Error('write'), { code: '${code}' });
      process.stdout._write = (chunk, encoding, done) => done(error);`;
    const preload = `data:text/javascript,${encodeURIComponent(failing)}`;
    const child = spawn(process.execPath, ['--import', preload, PROGRAM, 'secret']);
    const { status, errors } = await resultOf(child);
    t.deepEqual({ status, errors }, { status: 0, errors: '' });
  });
}

test('the exit status tells what went wrong', async (t) => {
  const { url } = await server(t);
  const dead = await tcpServer(t, () => {});
  // An answer before the request would not count.
  const rude = await tcpServer(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')),
  );
  const call = (to: string, ...args: string[]): Promise<Result> =>
    run(['call', to, 'test', ...args], withSecret);
  const raised = await call(url, 'fail');
  t.is(raised.status, 1);
  t.regex(raised.errors, /^backwater: remote error: .*TypeError: bad thing\n$/);
  t.is(raised.out, '');
  const erlang = await call(url, 'raise', '--output', 'erlang');
  t.like(erlang, {
    status: 1,
    errors: "backwater: remote exit: {shutdown,'Elixir.Foo'}\n",
  });
  const elixir = await call(url, 'raise', '--output', 'elixir');
  t.like(elixir, { status: 1, errors: 'backwater: remote exit: {:shutdown, Foo}\n' });
  const refused = await call(url, 'missing');
  t.is(refused.status, 3);
  t.regex(refused.errors, /function_not_found/);
  const free = await tcpServer(t, () => {});
  const { port } = new URL(free.url);
  t.is((await call(`http://127.0.0.1:${port}`, 'echo', '1', '--recv-timeout', '100ms')).status, 5);
  t.is((await call('http://127.0.0.1:1', 'echo', '1')).status, 4);
  t.is((await call(dead.url, 'echo', '1', '--timeout', '100ms')).status, 5);
  t.is((await call(rude.url, 'echo', '1')).status, 6);
  const wrong = { env: { BACKWATER_SECRET: 'another secret of at least 32 bytes' } };
  const denied = await run(['call', url, 'test', 'echo', '1'], wrong);
  t.is(denied.status, 6);
  t.regex(denied.errors, /most likely, the secrets of client and server differ/);
  const verbose = await run(['call', url, 'test', 'missing', '--verbose'], withSecret);
  t.regex(verbose.errors, /\n +at /);
});

test('each kind of failure has its own exit status, and the page lists them all', async (t) => {
  const page = await readFile(join(projectRoot(), 'docs/cli.md'), 'utf8');
  const listed = page.matchAll(/^- (\d+): (.+)$/gm);
  t.deepEqual(
    Array.from(listed, ([, status, meaning]) => [Number(status), meaning]),
    Object.values(EXIT).map((status) => [status, EXIT_MEANINGS[status]]),
  );
  const { out } = await run(['--help']);
  for (const [status, meaning] of Object.entries(EXIT_MEANINGS)) {
    t.regex(out, new RegExp(`^  ${status} +${meaning}$`, 'm'));
  }
  const secondsOf = (milliseconds: number): Record<string, number> =>
    Object.fromEntries(
      ['queued', 'resolve', 'connect', 'tls', 'send', 'wait', 'receive'].map((phase) => [
        phase,
        milliseconds,
      ]),
    );
  for (const [error, status] of [
    [new RemoteError(404, ''), EXIT.refused],
    [new ConnectError('no', {}), EXIT.connect],
    [new ConnectionLostError('lost'), EXIT.connect],
    [new ClosedError('closed'), EXIT.connect],
    [new QueueFullError({ limit: 1 }), EXIT.connect],
    [
      new TimeoutError({
        phase: 'wait',
        option: 'timeout',
        limit: 1,
        times: secondsOf(1),
      } as never),
      EXIT.timeout,
    ],
    [new ResponseAuthenticationError('invalid_signature'), EXIT.authentication],
    [new ResponseError('invalid_body', 'damaged'), EXIT.response],
    [new OptionError('wrong', { option: 'url' }), EXIT.usage],
    [Object.assign(new Error('ENOENT'), { syscall: 'open' }), EXIT.usage],
    [new TypeError('a bug'), EXIT.internal],
  ] as const) {
    t.is(statusOf(error), status, error.name);
  }
});

test('decode reverses encode', async (t) => {
  const value = { a: [1, 'é', null], b: { c: 1.5 } };
  const json = JSON.stringify(value);
  const raw = await run(['encode'], { input: json });
  t.deepEqual(decode(Buffer.from(raw.out, 'latin1').subarray(0)), value as never);
  const path = join(await folder(t), 'value.etf');
  await writeFile(path, encode(value));
  t.deepEqual(
    JSON.parse(Buffer.from((await run(['decode', path])).out, 'latin1').toString()),
    value,
  );
  const base64 = await run(['encode', '--erlang', '--to', 'base64'], { input: '{ok, #{a => 1}}.' });
  t.is(
    (await run(['decode', '--from', 'base64', '-o', 'elixir'], { input: base64.out })).out,
    '{:ok, %{a: 1}}\n',
  );
  const hex = await run(['encode', '--atom-keys', '--to', 'hex'], { input: '{"a": 1}' });
  t.is(
    (await run(['decode', '--from', 'hex', '-o', 'erlang'], { input: hex.out })).out,
    '#{a => 1}\n',
  );
  t.is((await run(['decode', '--from', 'hex'], { input: 'zz' })).status, 2);
  const broken = await run(['decode'], { input: Buffer.from([131, 97]) });
  t.is(broken.status, 7);
  t.regex(broken.errors, /^backwater: .*byte/);
});

test('integers in JSON keep all their digits', async (t) => {
  const text =
    '[9007199254740993,-18446744073709551616,{"18446744073709551616":"1\\"18446744073709551616"}]';
  const { out } = await run(['encode'], { input: text });
  const term = decode(Buffer.from(out, 'latin1'));
  t.deepEqual(term, [
    9007199254740993n,
    -18446744073709551616n,
    { '18446744073709551616': '1"18446744073709551616' },
  ]);
  const back = await run(['decode', '-'], { input: Buffer.from(out, 'latin1') });
  t.is(back.out, `${text}\n`);
});

test('input files must be UTF-8', async (t) => {
  const marked = await run(['encode', '-', '--to', 'hex'], { input: '\ufeff"é"' });
  t.is(marked.out, `${encode('é').toString('hex')}\n`);
  for (const input of [Buffer.from('"\xff"', 'latin1'), Buffer.from('\ufeff"x"', 'utf16le')]) {
    for (const flags of [[], ['--erlang']]) {
      const { status, out, errors } = await run(['encode', ...flags], { input });
      t.like({ status, out }, { status: 2, out: '' });
      t.regex(errors, /stdin is not UTF-8 text/);
    }
  }
});

test('every term is printed as JSON', (t) => {
  for (const [term, json] of [
    [atom('ok'), '"ok"'],
    [tuple(1, tuple()), '[1,[]]'],
    [undefined, 'null'],
    [[undefined, null, true], '[null,null,true]'],
    [2n ** 70n, '1180591620717411303424'],
    [{ a: [-(2n ** 70n), 1.5] }, '{"a":[-1180591620717411303424,1.5]}'],
    [Buffer.from([255]), '{"base64":"/w=="}'],
    [new Map<unknown, unknown>([[1, { a: 1n }]]), '[[1,{"a":1}]]'],
    [new ImproperList([1], 2), '"[1|2]"'],
    [new Pid(atom('n'), 1, 2, 3), '"<0.1.2>"'],
    [{ ['__proto__']: 1 }, '{"__proto__":1}'],
  ] as const) {
    t.is(jsonOf(term), json);
  }
});

async function serving(
  t: ExecutionContext,
  args: readonly string[],
): Promise<{ url: string; printed: (text: string) => Promise<void>; end: () => Promise<Result> }> {
  const port = args.includes('--port') ? [] : ['--port', '0'];
  const child = start(['serve', ...args, ...port], { BACKWATER_SECRET: SECRET });
  t.teardown(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // They have ended.
    }
  });
  let all = '';
  let changed = (): void => {};
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      all += text;
      changed();
    });
  }
  const ended = new Promise<Result>((resolve) => {
    child.once('close', (status) => {
      resolve({ status, out: all, errors: '' });
      changed();
    });
  });
  let seen = 0;
  const printed = async (text: string): Promise<void> => {
    for (;;) {
      if (all.includes(text, seen)) {
        seen = all.indexOf(text, seen) + text.length;
        return;
      }
      if (child.exitCode !== null) throw new Error(`it has ended: ${all}`);
      await new Promise<void>((resolve) => (changed = resolve));
    }
  };
  await printed('listening on ');
  const url = /listening on (\S+)/.exec(all)![1]!;
  return {
    url,
    printed,
    end: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

test('serve exposes the functions of a file', async (t) => {
  const path = join(await folder(t), 'words.mjs');
  await writeFile(
    path,
    'export const up = (s) => s.toUpperCase();\nexport const hidden = () => 1;',
  );
  const { url, end } = await serving(t, [path, '--exports', 'up']);
  const client = new Client({ url, secret: SECRET, ...PATIENT });
  t.teardown(() => client.close());
  t.is(await client.call('words', 'up', ['x']), 'X');
  await t.throwsAsync(client.call('words', 'hidden', []), { message: /function_not_found/ });
  const { status, out } = await end();
  t.is(status, 0);
  t.regex(out, / {2}words:up\/1\n/);
});

test('serve exposes the objects of a file as modules', async (t) => {
  const path = join(await folder(t), 'all.mjs');
  await writeFile(path, 'export default { a: { f: () => 1 }, b: { g: (x) => x } };');
  const { url, end } = await serving(t, [path]);
  const client = new Client({ url, secret: SECRET, ...PATIENT });
  t.is(await client.call('a', 'f', []), 1);
  t.is(await client.call('b', 'g', [2]), 2);
  await client.close();
  t.is((await end()).status, 0);
});

test('serve runs the interceptors that its file exports', async (t) => {
  const path = join(await folder(t), 'math.mjs');
  await writeFile(
    path,
    `export const add = (a, b) => a + b;
    export const interceptors = [async (call, next) => -(await next(call))];`,
  );
  const { url, end } = await serving(t, [path]);
  const client = new Client({ url, secret: SECRET, ...PATIENT });
  t.is(await client.call('math', 'add', [1, 2]), -3);
  await client.close();
  t.is((await end()).status, 0);
});

test('serve explains why it cannot serve a file', async (t) => {
  const directory = await folder(t);
  const path = join(directory, 'broken.mjs');
  await writeFile(join(directory, 'other.mjs'), '\n\nconst a = 1 1;');
  for (const [source, message] of [
    ['\nexport const = 1', /cannot import broken\.mjs: SyntaxError.*broken\.mjs, line 2\)/],
    [`import './other.mjs'`, /cannot import broken\.mjs: SyntaxError.*other\.mjs, line 3\)/],
    [`import { b } from 'node:fs'`, /SyntaxError: .* named 'b' \(.*broken\.mjs, line 1\)/],
    ['JSON.parse("{")', /cannot import broken\.mjs: SyntaxError: [^(]*; see/],
    ['export default () => 1', /exports no named functions: give its default export a name/],
    ['export const a = 1', /broken\.mjs exports no named functions/],
    ['throw new Error("no database")', /cannot import broken\.mjs: Error: no database/],
  ] as const) {
    await writeFile(path, source);
    const result = await run(['serve', path, '--port', '0'], withSecret);
    t.is(result.status, 2);
    t.regex(result.errors, message);
  }
});

test('serve --watch reloads a file and its imports', async (t) => {
  const directory = await folder(t);
  const path = join(directory, 'live.mjs');
  const helper = join(directory, 'helper.mjs');
  const source = (text: string): string =>
    `import { name } from './helper.mjs';\nexport const answer = () => '${text} ' + name;\n`;
  await writeFile(helper, `export const name = 'a';`);
  await writeFile(path, source('one'));
  const port = await freePort(t, 1);
  const { url, printed, end } = await serving(t, [path, '--watch', '--port', String(port)]);
  const client = new Client({ url, secret: SECRET, connectTimeout: TIMEOUT, recvTimeout: TIMEOUT });
  t.teardown(() => client.close());
  const until = async (answer: string): Promise<void> => {
    for (;;) {
      const result = await client.tryCall('live', 'answer');
      if (result.ok && result.value === answer) return;
      await new Promise((done) => setTimeout(done, 20));
    }
  };
  await until('one a');
  await writeFile(path, source('two'));
  await until('two a');
  await writeFile(helper, `export const name = 'b';`);
  await until('two b');
  await writeFile(path, 'export const = ;');
  await printed('cannot import live.mjs: SyntaxError');
  await writeFile(path, source('three'));
  await until('three b');
  t.is((await end()).status, 0);
});

test('serve --watch refuses to read a secret from stdin', async (t) => {
  const path = join(await folder(t), 'live.mjs');
  await writeFile(path, 'export const answer = () => 1;');
  const { status, errors } = await run(['serve', path, '--watch', '--secret-file', '-'], {
    input: SECRET,
  });
  t.is(status, 2);
  t.regex(errors, /--secret-file PATH or BACKWATER_SECRET/);
});

test('bench counts calls and measures latency', async (t) => {
  const { url } = await server(t);
  const bench = ['bench', url, 'test', 'add', '1', '2', '--concurrency', '4'];
  const { status, out, errors } = await run([...bench, '--calls', '200'], withSecret);
  t.is(status, 0, errors);
  const text = Buffer.from(out, 'latin1').toString();
  t.regex(text, /^200 calls in [\d.]+ s: \d+ calls\/s\n/);
  t.regex(text, /p50 [\d.]+ ms {3}p90 .* {3}p99\.9 .* {3}max /);
  t.is(errors, '');
  const json = await run([...bench, '--calls', '20', '--rate', '1000', '--json'], withSecret);
  const figures = JSON.parse(json.out) as Record<string, number>;
  t.like(figures, { calls: 20, failed: 0 });
  t.true(figures['seconds']! >= 0.019);
  const short = await run([...bench, '--duration', '200ms', '--json'], withSecret);
  t.true((JSON.parse(short.out) as { calls: number }).calls > 0);
});

test('the exit status of bench tells what failed', async (t) => {
  const { url } = await server(t);
  const failing = await run(['bench', url, 'test', 'fail', '--calls', '10'], withSecret);
  t.is(failing.status, 1);
  t.regex(failing.out, /0 calls in .*\n10 failed\n {2}10 .* .*TypeError: bad thing/);
  t.is((await run(['bench', 'http://127.0.0.1:1', 'm', 'f', '-n', '3'], withSecret)).status, 4);
});

test('bench stops early only when no call succeeds', async (t) => {
  const { url } = await server(t);
  const args = ['bench', url, 'test', 'fail', '--duration', '1h', '--concurrency', '20'];
  const { status, out } = await run(args, withSecret);
  t.is(status, 1);
  const [, failed] = /^(\d+) failed$/m.exec(out)!;
  t.true(Number(failed) >= 20 && Number(failed) < 100, out);
  t.regex(out, /Stopped early because no call succeeded/);
  const few = await run(['bench', url, 'test', 'fail', '--calls', '9', '-c', '1'], withSecret);
  t.regex(few.out, /^9 failed$/m);
  t.notRegex(few.out, /Stopped early/);
  let number = 0;
  const halting = await startServer(t, {
    m: {
      f: () => {
        if (number++ > 0) throw new Error('no more');
      },
    },
  });
  const some = await run(['bench', halting.url, 'm', 'f', '--calls', '50', '-c', '2'], withSecret);
  t.regex(some.out, /^49 failed$/m);
});

test('the latency of scheduled calls includes their delay by a slow answer', async (t) => {
  let number = 0;
  const { url } = await startServer(t, {
    m: { f: () => (number++ === 0 ? new Promise((done) => setTimeout(done, 300)) : null) },
  });
  const args = ['bench', url, 'm', 'f', '-c', '1', '--rate', '100', '--calls', '20', '--json'];
  const { out } = await run(args, withSecret);
  const { latency } = JSON.parse(out) as { latency: { p50: number } };
  t.true(latency.p50 > 100, out);
});

test('doctor finds no fault with a healthy server', async (t) => {
  const { url } = await server(t);
  const { status, out } = await run(['doctor', url], withSecret);
  t.is(status, 0, out);
  const text = Buffer.from(out, 'latin1').toString();
  t.regex(
    text,
    /✔ DNS .*\n✔ TCP .*\n✔ backwater +a backwater server answers.*\n✔ clock .*the clocks agree.*\n✔ signature +both sides have the same secret/,
  );
});

async function webServer(
  t: ExecutionContext,
  answer: (response: ServerResponse) => void,
): Promise<string> {
  const web = createServer((_, response) => answer(response));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  t.teardown(() => web.close());
  t.teardown(() => web.closeAllConnections());
  return `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
}

function demandSignature(response: ServerResponse): void {
  response.statusCode = 401;
  response.setHeader('www-authenticate', 'Signature headers="(request-target)",realm="backwater"');
  response.end('missing_authorization_header');
}

test('doctor obeys its timeouts when a server does not answer', async (t) => {
  const silent = await tcpServer(t, () => {});
  const slow = await webServer(t, (response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.write('x');
  });
  const trickling = await tcpServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const timer = setInterval(() => socket.write('x: y\r\n'), 50);
    socket.on('close', () => clearInterval(timer));
  });
  const secure = silent.url.replace('http:', 'https:');
  for (const [url, flags, pattern] of [
    [silent.url, ['--recv-timeout', '300ms'], /✘ backwater .*no HTTP response within 300 ms/],
    [silent.url, ['--timeout', '200ms'], /✘ backwater .*no HTTP response within 200 ms/],
    [slow, ['--recv-timeout', '300ms'], /✘ backwater .*no (complete )?HTTP response within 300 ms/],
    [trickling.url, ['--recv-timeout', '300ms'], /✘ backwater .*within 300 ms/],
    [secure, ['--connect-timeout', '300ms'], /✘ TLS .*no TLS handshake within 300 ms/],
  ] as const) {
    const { status, out } = await run(['doctor', url, ...flags], withSecret);
    t.is(status, 5, out);
    t.regex(Buffer.from(out, 'latin1').toString(), pattern);
  }
});

test('doctor tests mutual TLS', async (t) => {
  const authority = new Authority();
  t.teardown(() => authority.remove());
  const stranger = new Authority('/O=Others/CN=Authority');
  t.teardown(() => stranger.remove());
  const files = authority.server();
  const alice = authority.issue({ subject: '/O=Example/CN=alice' });
  const eve = stranger.issue({ subject: '/O=Others/CN=eve' });
  for (const health of [undefined, '/health'] as const) {
    const secured = await startTlsServer(SECRET, modules, {
      host: '127.0.0.1',
      port: 0,
      ...(health === undefined ? {} : { health }),
      tls: { ...files, clientCa: authority.cert },
    });
    t.teardown(() => secured.close({ timeout: 0 }));
    const doctor = ['doctor', secured.url, '--ca', authority.cert];
    const well = await run([...doctor, '--cert', alice.cert, '--key', alice.key], withSecret);
    t.is(well.status, 0, well.out);
    t.regex(well.out, /TLS .*, with a client certificate/);
    const without = await run(doctor, withSecret);
    t.is(without.status, 4, without.out);
    t.regex(
      without.out,
      /pass a client certificate with --cert and --key: the server requires one/,
    );
    const wrong = await run([...doctor, '--cert', eve.cert, '--key', eve.key], withSecret);
    t.is(wrong.status, 4, wrong.out);
    t.regex(wrong.out, /the server refuses the certificate of --cert/);
  }
});

test('doctor names the step that failed and suggests a remedy', async (t) => {
  const { url } = await server(t);
  const other = await tcpServer(t, (socket) => socket.end('what?\r\n\r\n'));
  const late = await webServer(t, (response) => {
    response.setHeader('date', new Date(Date.now() - 3_600_000).toUTCString());
    demandSignature(response);
  });
  const web = await webServer(t, (response) => {
    response.setHeader('server', 'another/1.0');
    response.end('hello');
  });
  const wrong = { env: { BACKWATER_SECRET: 'another secret of at least 32 bytes' } };
  for (const [to, options, expected, pattern] of [
    [
      'no-such-host.invalid',
      withSecret,
      4,
      /✘ DNS .*no address for no-such-host\.invalid: .*\n +→ check/,
    ],
    [
      'http://127.0.0.1:1',
      withSecret,
      4,
      /✘ TCP .*ECONNREFUSED\n +→ check that the server is running/,
    ],
    [
      url.replace('http:', 'https:'),
      withSecret,
      4,
      /✘ TLS .*\n +→ check that the server speaks TLS/,
    ],
    [other.url, withSecret, 4, /✘ backwater .*no HTTP response.*\n +→ /],
    [url, wrong, 6, /✘ signature +wrong secret: .*\n +→ give both sides the same bytes/],
    [
      web,
      withSecret,
      6,
      /✘ backwater +not a backwater server: the response is 200 \(another\/1\.0\)\n +→ check the port/,
    ],
    [late, withSecret, 6, /! clock .*the server's clock is 3\d+ s behind[^]*✘ signature .*\n +→ /],
  ] as const) {
    const { status, out } = await run(['doctor', to], options);
    t.is(status, expected, `${to}: ${out}`);
    t.regex(Buffer.from(out, 'latin1').toString(), pattern);
  }
  t.is((await run(['doctor', url])).status, 2);
});

test('doctor does not mistake a slow answer for a clock difference', async (t) => {
  const web = await webServer(t, (response) => void setTimeout(demandSignature, 4000, response));
  const { out } = await run(['doctor', web, '--recv-timeout', '1m'], withSecret);
  t.regex(Buffer.from(out, 'latin1').toString(), /✔ clock .*the clocks agree/);
});

test('doctor explains what a server with replay protection requires', async (t) => {
  const protection = { replayProtection: 'require', audience: 'payments' } as const;
  const { url } = await startServer(t, modules, protection);
  const flags = ['--audience', 'payments', '--replay-protection'];
  for (const [given, pattern] of [
    [[], /missing_audience\n +→ the secret is right, but .* --audience/],
    [['--audience', 'orders'], /wrong_audience\n +→ .* --audience/],
    [['--audience', 'payments'], /missing_created\n +→ .* --replay-protection/],
  ] as const) {
    const { status, out } = await run(['doctor', url, ...given], withSecret);
    t.is(status, 3, out);
    t.regex(Buffer.from(out, 'latin1').toString(), pattern);
  }
  t.is((await run(['doctor', url, ...flags], withSecret)).status, 0);
  t.is((await run(['call', url, 'test', 'add', '1', '2', ...flags], withSecret)).out, '3\n');
});

test('calls name their caller if the server requires it', async (t) => {
  const server = await startClearServer({ tests: { secret: SECRET, hint: 'required' } }, modules, {
    host: '127.0.0.1',
    port: 0,
  });
  t.teardown(() => server.close({ timeout: 0 }));
  const call = ['call', server.url, 'test', 'add', '1', '2'];
  t.is((await run([...call, '--caller', 'tests'], withSecret)).out, '3\n');
  t.is((await run(call, withSecret)).status, 6);
  const doctor = await run(['doctor', server.url, '--caller', 'others'], withSecret);
  t.is(doctor.status, 6);
  t.regex(Buffer.from(doctor.out, 'latin1').toString(), /under the name 'others'/);
});

test('call, serve and doctor support TLS', async (t) => {
  const authority = new Authority();
  t.teardown(() => authority.remove());
  const { cert, key } = authority.server();
  const path = join(await folder(t), 'secure.mjs');
  await writeFile(path, 'export const double = (x) => x * 2;');
  const { url, end } = await serving(t, [path, '--cert', cert, '--key', key]);
  t.regex(url, /^https:/);
  const call = ['call', url, 'secure', 'double', '21'];
  t.is((await run([...call, '--ca', authority.cert], withSecret)).out, '42\n');
  const distrusted = await run(call, withSecret);
  t.is(distrusted.status, 4);
  t.regex(distrusted.errors, /certificate/);
  const well = await run(['doctor', url, '--ca', authority.cert], withSecret);
  t.is(well.status, 0, well.out);
  t.regex(well.out, /TLS +TLSv1\.3, .*certificate of localhost/);
  const ill = await run(['doctor', url], withSecret);
  t.is(ill.status, 4);
  t.regex(ill.out, /TLS +handshake failed: .*\n.*--ca PATH/);
  const named = ['--ca', authority.cert, '--servername', 'other.example'];
  const misnamed = await run(['doctor', url, ...named], withSecret);
  t.is(misnamed.status, 4);
  t.regex(misnamed.out, /the certificate is for .*, not for other\.example\n.*--servername/);
  const clear = await run(['doctor', url.replace('https:', 'http:')], withSecret);
  t.is(clear.status, 6);
  t.regex(Buffer.from(clear.out, 'latin1').toString(), /→ use https:\/\/ instead/);
  t.is((await end()).status, 0);
});

test('colors appear only on terminals, and a closed pipe is not a failure', async (t) => {
  const { url } = await server(t);
  const { out } = await run(['call', url, 'test', 'terms', '-o', 'js'], withSecret);
  t.false(out.includes('\x1b'));
  const child = start(['call', url, 'test', 'echo', '-'], { BACKWATER_SECRET: SECRET });
  child.stdin!.end(JSON.stringify(['x'.repeat(500_000)]));
  child.stdout!.destroy();
  let errors = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const status = await new Promise((resolve) => child.once('close', resolve));
  t.is(status, 0);
  t.is(errors, '');
});

test('without its addon, the program prints one sentence and exits with status 8', async (t) => {
  for (const args of [['secret'], ['--version'], ['call', '127.0.0.1', 'm', 'f']]) {
    const { status, out, errors } = await run(args, { env: { NODE_OPTIONS: '--no-addons' } });
    t.deepEqual([status, out], [EXIT.addon, '']);
    t.regex(errors, /^backwater: backwater cannot load its native addon: .*--allow-addons.*\n$/);
  }
});

test('the installed program runs', async (t) => {
  const built = fileURLToPath(new URL('../../package.json', import.meta.url));
  const { bin } = JSON.parse(await readFile(built, 'utf8')) as { bin: Record<string, string> };
  t.deepEqual(bin, { backwater: 'build/cli/main.js' });
  t.true((await readFile(PROGRAM, 'utf8')).startsWith('#!/usr/bin/env node\n'));
  // npm does this.
  await chmod(PROGRAM, 0o755);
  const child = spawn(PROGRAM, ['--version'], { stdio: 'ignore' });
  t.is(await new Promise((resolve) => child.once('close', resolve)), 0);
});
