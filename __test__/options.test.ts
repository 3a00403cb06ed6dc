import { SHARE_ENV } from 'node:worker_threads';
import test from 'ava';
import { OptionError } from '../src/errors/errors.js';
import {
  callOptions,
  clientOptions,
  type CallSettings,
  streamOptions,
} from '../src/client/options.js';
import {
  decodeOptions,
  decodeSettings,
  encodeOptions,
  toElixirTable,
  toErlangTable,
} from '../src/codec/options.js';
import { readOptions } from '../src/options/table.js';
import { parseSecrets } from '../src/options/secrets.js';
import { closeOptions, serverOptions } from '../src/server/options.js';

type Read = (input: never) => unknown;

const client = clientOptions();
const readers: Readonly<Record<string, Read>> = {
  server: serverOptions as Read,
  client: clientOptions as Read,
  call: ((input: never) => callOptions(input, client)) as Read,
  encode: encodeOptions as Read,
  decode: decodeOptions as Read,
  fromErlang: (input) => decodeSettings('fromErlang', input),
  toErlang: (input) => readOptions(toErlangTable, input, 'toErlang'),
  toElixir: (input) => readOptions(toElixirTable, input, 'toElixir'),
  close: closeOptions as Read,
};

function refused(read: Read, input: unknown): OptionError {
  try {
    read(input as never);
  } catch (error) {
    if (error instanceof OptionError) return error;
    throw error;
  }
  throw new Error(`not refused: ${String(input)}`);
}

const MAX_TIME = 2 ** 31 - 1;
const MAX_SIZE = 2 ** 28 - 1;
const TIMES = {
  good: [1, 5000, MAX_TIME, Infinity],
  bad: [0, -1, 1.5, MAX_TIME + 1, NaN, '1', null],
};
const SIZES = { good: [1, MAX_SIZE], bad: [0, 0.5, MAX_SIZE + 1, Infinity, '1', 1n] };
const BOOLEANS = { good: [true, false], bad: [0, 1, 'true', null] };
const NAMES = {
  good: ['billing', 'a b', 'x'.repeat(255), '~'],
  bad: ['', ' a', 'a ', 'x'.repeat(256), 'é', 'a\nb', 1, null, []],
};
const COUNTS = { good: [1, MAX_TIME, Infinity], bad: [0, MAX_TIME + 1, 1.5, '1'] };

const half = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };

const options: readonly (readonly [
  name: string,
  of: readonly string[],
  values: { readonly good: readonly unknown[]; readonly bad: readonly unknown[] },
])[] = [
  [
    'terms',
    ['server', 'client', 'call', 'decode', 'fromErlang'],
    { good: ['js', 'exact'], bad: ['JS', '', true] },
  ],
  ['compressed', ['decode', 'fromErlang'], BOOLEANS],
  ['compressed', ['encode'], { good: [true, false, 0, 9], bad: [-1, 10, 1.5, 'true', null] }],
  ['maxInflatedSize', ['decode', 'fromErlang'], SIZES],
  [
    'maxInflatedRatio',
    ['decode', 'fromErlang'],
    { good: [1, 2048, Infinity], bad: [0, 2049, 1.5, '1'] },
  ],
  ['markBytes', ['server', 'client', 'call', 'encode'], BOOLEANS],
  [
    'binaries',
    ['server', 'client', 'call', 'decode', 'fromErlang'],
    { good: ['auto', 'buffer', 'string'], bad: ['text', null] },
  ],
  [
    'objectKeys',
    ['server', 'client', 'call', 'encode', 'toErlang', 'toElixir'],
    { good: ['binary', 'atom'], bad: ['atoms', 'constructor'] },
  ],
  [
    'revivers',
    ['server', 'client', 'call', 'encode', 'decode', 'fromErlang', 'toErlang', 'toElixir'],
    {
      good: [
        [],
        [
          { struct: 'Date', revive: () => 1 },
          { tag: 'user', length: 1, revive: () => 1 },
        ],
      ],
      bad: [
        {},
        [1],
        [{ struct: 'Date' }],
        [{ struct: '', revive: () => 1 }],
        [{ struct: 'x'.repeat(256), revive: () => 1 }],
        [{ tag: 'user', revive: () => 1 }],
        [{ tag: 'user', length: 0, revive: () => 1 }],
        [{ struct: 'A', tag: 'user', length: 2, revive: () => 1 }],
        null,
      ],
    },
  ],
  [
    'encoders',
    ['server', 'client', 'call', 'encode', 'decode', 'fromErlang', 'toErlang', 'toElixir'],
    {
      good: [[], [{ class: Date, toTerm: String }]],
      bad: [
        {},
        [Date],
        [{ class: Date }],
        [{ class: 'Date', toTerm: String }],
        [{ class: () => 1, toTerm: String }],
        null,
      ],
    },
  ],
  ['charlists', ['toErlang', 'toElixir'], BOOLEANS],
  ['structs', ['toElixir'], BOOLEANS],
  ['decodeUnsafeTerms', ['server', 'client', 'call', 'decode', 'fromErlang'], BOOLEANS],
  [
    'compressionThreshold',
    ['server', 'client', 'call'],
    { good: [0, 300, MAX_TIME, Infinity], bad: [-1, 0.5, -Infinity, '300', false] },
  ],
  ['maxEncodedArgsSize', ['server', 'client', 'call'], SIZES],
  ['maxEncodedResultSize', ['server', 'client', 'call'], SIZES],
  ['maxSize', ['encode'], SIZES],
  [
    'maxDepth',
    ['server', 'client', 'encode', 'decode', 'fromErlang'],
    { good: [1, 1500], bad: [0, 1501, Infinity] },
  ],
  [
    'maxTerms',
    ['server', 'client', 'decode', 'fromErlang'],
    { good: [1, MAX_SIZE], bad: [0, MAX_SIZE + 1] },
  ],
  ['gzipLevel', ['server', 'client'], { good: [1, 9], bad: [0, 10, 1.5] }],
  ['recvTimeout', ['server', 'client', 'call'], TIMES],
  ['connectTimeout', ['client', 'call'], TIMES],
  ['timeout', ['client', 'call'], TIMES],
  ['idleTimeout', ['client'], TIMES],
  ['rethrowRemoteExceptions', ['client', 'call'], BOOLEANS],
  ['idempotent', ['client', 'call'], BOOLEANS],
  ['maxRetries', ['client', 'call'], { good: [0, 2, 100], bad: [-1, 101, 0.5, Infinity, '2'] }],
  [
    'hedgeDelay',
    ['client', 'call'],
    { good: [0, 50, MAX_TIME, Infinity], bad: [-1, 0.5, MAX_TIME + 1, NaN, '50'] },
  ],
  [
    'caller',
    ['client'],
    { good: ['billing', '~', 'x'.repeat(64)], bad: ['', 'a b', 'é', 'x'.repeat(65), 1] },
  ],
  [
    'metadata',
    ['client', 'call'],
    { good: [], bad: ['tenant', 1, true, null, ['tenant'], new Set()] },
  ],
  ['resolveInterval', ['client'], TIMES],
  [
    'dnsServers',
    ['client'],
    {
      good: [
        ['10.0.0.53'],
        ['127.0.0.1:5353', '[::1]:53', '::1', '[::1]'],
        ['127.0.0.1:1', '[::1]:65535', 'fe80::1%lo'],
      ],
      bad: [
        [],
        '10.0.0.53',
        ['name.example'],
        [53],
        ['10.0.0.53', ''],
        ['1.2.3.4:x'],
        ['127.0.0.1:0'],
        ['[::1]:0'],
        ['127.0.0.1:65536'],
        ['[127.0.0.1]:53'],
        ['[::1]x'],
        null,
      ],
    },
  ],
  ['returnExceptionStacktraces', ['server'], BOOLEANS],
  [
    'host',
    ['server'],
    {
      good: ['127.0.0.1', '::1', 'localhost'],
      bad: ['', '[::1]', 'a b', 'a/b', 'x'.repeat(256), 1],
    },
  ],
  ['port', ['server'], { good: [0, 8080, 65535], bad: [-1, 65536, 80.5, '8080'] }],
  [
    'health',
    ['server'],
    {
      good: ['/healthz', '/a', `/${'x'.repeat(255)}`, '/backwater', '/a/b%20c'],
      bad: [
        '',
        '/',
        'healthz',
        '/a b',
        '/a?b',
        '/a#b',
        '/ä',
        '/backwater/1/m/f/1',
        `/${'x'.repeat(256)}`,
        1,
      ],
    },
  ],
  ['maxConnections', ['server'], COUNTS],
  ['maxConnections', ['client'], { good: [1, 65535], bad: [0, 65536, Infinity] }],
  ['maxCallsInFlight', ['server'], COUNTS],
  ['maxStreams', ['server'], COUNTS],
  ['maxStreams', ['client'], { good: [1, 65535], bad: [0, 65536, Infinity] }],
  ['streamPingInterval', ['server'], TIMES],
  ['streamIdleTimeout', ['client'], TIMES],
  ['headersTimeout', ['server'], TIMES],
  ['requestTimeout', ['server'], TIMES],
  ['keepAliveTimeout', ['server'], TIMES],
  ['sendTimeout', ['server'], TIMES],
  [
    'maxHeaderSize',
    ['server'],
    { good: [1024, 1_048_576], bad: [1023, 1_048_577, 4096.5, Infinity, '4096'] },
  ],
  ['maxHeaders', ['server'], { good: [16, 1000], bad: [15, 1001, 20.5, Infinity, '20'] }],
  ['minConnections', ['client'], { good: [0, 1, 64], bad: [-1, 65, 65536, Infinity] }],
  ['maxConnectionAge', ['client'], TIMES],
  [
    'deadPeerTimeout',
    ['client'],
    { good: [1000, MAX_TIME, Infinity], bad: [999, MAX_TIME + 1, 1000.5] },
  ],
  ['maxQueuedCalls', ['client'], { good: [0, 1, MAX_TIME, Infinity], bad: [-1, 0.5, '1', null] }],
  [
    'maxBytesInFlight',
    ['server', 'client'],
    { good: [1, 2 ** 41, Infinity], bad: [0, 2 ** 41 + 1, 0.5, '1', null] },
  ],
  ['reusePort', ['server'], BOOLEANS],
  ['ioThreads', ['server'], { good: [1, 64], bad: [0, 65, 1.5, Infinity, '2'] }],
  [
    'spin',
    ['client', 'server'],
    { good: [0, 1, 1000], bad: [-1, 1001, 0.5, Infinity, '50', true] },
  ],
  ['workers', ['server'], { good: [1, 1024], bad: [0, 1025, 1.5, Infinity, '2', true] }],
  [
    'workerOptions',
    ['server'],
    {
      good: [
        {},
        { env: {}, resourceLimits: {}, argv: ['x', 1], execArgv: ['--no-warnings'], name: 'x' },
        { env: SHARE_ENV, argv: undefined },
      ],
      bad: [
        { eval: true },
        { env: 5 },
        { env: [] },
        { argv: 'x' },
        { execArgv: [1] },
        { resourceLimits: 5 },
        { name: 5 },
        [],
        null,
        'x',
        1,
      ],
    },
  ],
  ['replayProtection', ['server'], { good: ['off', 'prefer', 'require'], bad: [true, 'on', null] }],
  ['replayProtection', ['client'], BOOLEANS],
  ['audience', ['client'], { good: NAMES.good, bad: [...NAMES.bad, ['billing']] }],
  [
    'audience',
    ['server'],
    {
      good: [...NAMES.good, ['billing'], ['billing', 'billing-2']],
      bad: [...NAMES.bad, [''], ['billing', 'é'], ['billing', 1], [['billing']]],
    },
  ],
  [
    'maxClockDifference',
    ['server'],
    { good: [1, 86_400_000], bad: [0, 1.5, 86_400_001, Infinity, '1'] },
  ],
  ['replayCapacity', ['server'], { good: [1, MAX_TIME], bad: [0, 0.5, MAX_TIME + 1, Infinity] }],
  [
    'signal',
    ['call'],
    { good: [new AbortController().signal, half], bad: [new AbortController(), {}, true, null] },
  ],
  [
    'deadline',
    ['call'],
    { good: [new Date(0), 0, 1.5], bad: [new Date(NaN), NaN, Infinity, '2030', null, 1n] },
  ],
  [
    'parent',
    ['call'],
    {
      good: [{ signal: half }, { deadline: 5, signal: undefined }],
      bad: [{}, { signal: 1 }, null],
    },
  ],
  [
    'interceptors',
    ['server', 'client'],
    { good: [[() => {}]], bad: [() => {}, [1], [() => {}, undefined], {}, null] },
  ],
];

for (const [name, of, { good, bad }] of options) {
  for (const operation of of) {
    const read = readers[operation]!;
    test(`options of ${operation}: ${name} is checked`, (t) => {
      for (const value of good) {
        const settings = read({ [name]: value } as never) as Record<string, unknown>;
        if (Array.isArray(value)) t.deepEqual(settings[name], value);
        else t.is(settings[name], value);
      }
      for (const value of bad) {
        const error = refused(read, { [name]: value });
        t.is(error.option, name);
        t.true(error.message.startsWith(`option '${name}' takes `), error.message);
      }
    });
  }
}

test('the tests cover every option', (t) => {
  for (const [operation, read] of Object.entries(readers)) {
    if (operation === 'close') continue;
    const listed = options.flatMap(([name, of]) => (of.includes(operation) ? [name] : []));
    const unknown = refused(read, { qqqqqqqqqqqqqqqqqqqq: 1 }).message;
    const known = /the options are (.*)$/.exec(unknown)![1]!.split(', ');
    t.deepEqual(known.sort(), [...new Set(listed)].sort(), operation);
  }
});

test('close checks its timeouts', (t) => {
  t.deepEqual(closeOptions(), { timeout: 5000, drainDelay: 0 });
  t.deepEqual(closeOptions({}), { timeout: 5000, drainDelay: 0 });
  for (const name of ['timeout', 'drainDelay'] as const) {
    for (const time of [0, 20, MAX_TIME]) t.is(closeOptions({ [name]: time })[name], time);
    for (const time of [-1, 0.5, MAX_TIME + 1, Infinity, '1']) {
      t.is(refused(readers['close']!, { [name]: time }).option, name);
    }
  }
  t.is(refused(readers['close']!, { timeOut: 1 }).option, 'timeOut');
});

test('the defaults match the documentation', (t) => {
  t.like(serverOptions(), {
    host: '0.0.0.0',
    port: 8080,
    decodeUnsafeTerms: true,
    returnExceptionStacktraces: true,
    compressionThreshold: 300,
    gzipLevel: 1,
    maxEncodedArgsSize: 8_388_608,
    maxEncodedResultSize: 8_388_608,
    recvTimeout: 5000,
    headersTimeout: undefined,
    requestTimeout: undefined,
    keepAliveTimeout: 65_000,
    sendTimeout: 30_000,
    maxHeaderSize: 16_384,
    maxHeaders: 100,
    maxConnections: 10_000,
    maxCallsInFlight: 4096,
    maxStreams: 1024,
    streamPingInterval: 10_000,
    maxBytesInFlight: 256 * 1024 * 1024,
    spin: 200,
    terms: 'js',
    binaries: 'auto',
    objectKeys: 'binary',
    maxDepth: 1000,
    maxTerms: 16_777_216,
    replayProtection: 'off',
    audience: undefined,
    maxClockDifference: 60_000,
    replayCapacity: 1_000_000,
  });
  t.like(clientOptions(), {
    replayProtection: false,
    audience: undefined,
    connectTimeout: 8000,
    recvTimeout: 5000,
    rethrowRemoteExceptions: false,
    decodeUnsafeTerms: true,
    compressionThreshold: 300,
    gzipLevel: 1,
    maxEncodedArgsSize: 8_388_608,
    maxEncodedResultSize: 8_388_608,
    maxConnections: 64,
    maxStreams: 64,
    streamIdleTimeout: 30_000,
    idleTimeout: undefined,
    spin: 200,
    idempotent: false,
    maxRetries: 2,
    hedgeDelay: Infinity,
    resolveInterval: undefined,
    dnsServers: undefined,
    terms: 'js',
    binaries: 'auto',
    objectKeys: 'binary',
    signal: undefined,
  });
  t.like(encodeOptions(), { objectKeys: 'binary', maxDepth: 1000, maxSize: MAX_SIZE });
  t.like(decodeOptions(), { terms: 'js', exact: false, binaries: 'auto', decodeUnsafeTerms: true });
});

test('missing and undefined options have their defaults', (t) => {
  for (const [operation, read] of Object.entries(readers)) {
    const defaults = read(undefined as never);
    for (const input of [null, {}, { recvTimeout: undefined, terms: undefined }]) {
      if (!['server', 'client', 'call'].includes(operation)) break;
      t.deepEqual(read(input as never), defaults, operation);
    }
    t.deepEqual(read({} as never), defaults, operation);
    t.deepEqual(read(null as never), defaults, operation);
  }
});

test('options that are not an object are refused', (t) => {
  for (const read of Object.values(readers)) {
    for (const input of ['text', 1, true, [], () => {}]) {
      t.is(refused(read, input).option, 'options');
    }
  }
});

test('the error for an unknown option suggests the intended one', (t) => {
  for (const [name, meant] of [
    ['recvTimout', 'recvTimeout'],
    ['recv_timeout', 'recvTimeout'],
    ['RECVTIMEOUT', 'recvTimeout'],
    ['max_encoded_args_size', 'maxEncodedArgsSize'],
    ['Port', 'port'],
    ['prot', 'port'],
  ] as const) {
    const error = refused(serverOptions as Read, { [name]: 1 });
    t.is(error.option, name);
    t.true(error.message.includes(`did you mean '${meant}'?`), error.message);
  }
  t.regex(refused(serverOptions as Read, { quux: 1 }).message, /the options are terms, binaries, /);
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    t.is(refused(serverOptions as Read, Object.fromEntries([[name, 1]])).option, name);
  }
  const long = refused(serverOptions as Read, { ['x'.repeat(100_000)]: 1 });
  t.true(long.message.length < 1000);
});

test('the error for an option of the wrong type states the expected and the actual value', (t) => {
  const error = refused(serverOptions as Read, { port: '8080' });
  t.is(error.message, "option 'port' takes an integer from 0 to 65535, not '8080'");
  const large = refused(serverOptions as Read, { port: 'x'.repeat(100_000) });
  t.true(large.message.length < 300);
  const time = refused(clientOptions as Read, { recvTimeout: 0 });
  t.regex(time.message, /from 1 to 2147483647 \(milliseconds\) or Infinity, not 0/);
});

test('only own properties are used, and each is read once', (t) => {
  const inherited = Object.create({ port: 1 }) as object;
  t.is(serverOptions(inherited).port, 8080);
  let reads = 0;
  const settings = serverOptions({
    get port() {
      return ++reads;
    },
  });
  t.is(settings.port, 1);
  t.is(reads, 1);
});

test('settings are frozen', (t) => {
  const settings = [serverOptions(), client, callOptions({ terms: 'js' }, client), decodeOptions()];
  for (const each of [...settings, encodeOptions(), encodeOptions({})])
    t.true(Object.isFrozen(each));
});

test("per-call options take precedence over the client's", (t) => {
  const base = clientOptions({ recvTimeout: 1000, terms: 'exact', gzipLevel: 3, maxDepth: 7 });
  t.is(callOptions(undefined, base), base as CallSettings);
  const { signal } = new AbortController();
  const call = callOptions({ recvTimeout: 5, connectTimeout: undefined, signal }, base);
  t.like(call, { recvTimeout: 5, terms: 'exact', gzipLevel: 3, maxDepth: 7, connectTimeout: 8000 });
  t.is(call.signal, signal);
  t.is(callOptions({ recvTimeout: undefined }, base).recvTimeout, 1000);
  t.is(base.recvTimeout, 1000);
});

test('a call refuses options of the client', (t) => {
  for (const name of ['maxConnections', 'idleTimeout', 'gzipLevel', 'maxDepth', 'url', 'secret']) {
    t.is(refused(readers['call']!, { [name]: 1 }).option, name);
  }
});

test('a stream accepts the options of a call and idleTimeout', (t) => {
  const read = (input: never): unknown => streamOptions(input, client);
  const ofClient = clientOptions({ streamIdleTimeout: 7, idleTimeout: 5 });
  t.is(streamOptions(undefined, client).streamIdleTimeout, 30_000);
  t.is(streamOptions(undefined, ofClient).streamIdleTimeout, 7);
  t.is(streamOptions({ timeout: 1 }, ofClient).streamIdleTimeout, 7);
  for (const good of TIMES.good) {
    t.is(streamOptions({ idleTimeout: good }, ofClient).streamIdleTimeout, good);
  }
  for (const bad of TIMES.bad) t.is(refused(read, { idleTimeout: bad }).option, 'idleTimeout');
  t.is(streamOptions({ recvTimeout: 9, metadata: { a: 'b' } }, ofClient).recvTimeout, 9);
  t.is(refused(read, { maxConnections: 1 }).option, 'maxConnections');
  t.is(streamOptions({ idempotent: true }, client).flags, 16 | 32);
  t.is(callOptions({ idempotent: true }, client).flags, 16);
});

test('options become flags for the addon', (t) => {
  // Bit 0: exact, bit 1: safe, bits 2 and 3: binaries.
  for (const [input, flags] of [
    [{}, 0b0000],
    [{ terms: 'exact' }, 0b0001],
    [{ decodeUnsafeTerms: false }, 0b0010],
    [{ binaries: 'buffer' }, 0b0100],
    [{ binaries: 'string' }, 0b1000],
    [{ terms: 'exact', decodeUnsafeTerms: false, binaries: 'string' }, 0b1011],
  ] as const) {
    t.is(serverOptions(input).flags, flags);
    t.is(clientOptions(input).flags, flags);
    t.is(decodeOptions(input).flags, flags);
    t.is(callOptions(input, client).flags, flags);
  }
  t.is(
    callOptions({ terms: 'js' }, clientOptions({ terms: 'exact', binaries: 'buffer' })).flags,
    4,
  );
  // Bit 4, of calls only: idempotent.
  t.is(clientOptions({ idempotent: true }).flags, 0b10000);
  t.is(callOptions({ idempotent: true, terms: 'exact' }, client).flags, 0b10001);
  t.is(callOptions({ idempotent: false }, clientOptions({ idempotent: true })).flags, 0);
  t.is(decodeOptions({ terms: 'exact' }).exact, true);
});

test('a secret is bytes, text or a list of them', (t) => {
  const bytes = Buffer.from([0, 255, 1]);
  t.deepEqual(parseSecrets(bytes), [bytes]);
  t.deepEqual(parseSecrets(new Uint8Array(bytes)), [bytes]);
  t.deepEqual(parseSecrets('grün'), [Buffer.from('grün', 'utf8')]);
  t.deepEqual(parseSecrets(['new', bytes]), [Buffer.from('new'), bytes]);
  t.deepEqual(parseSecrets(['x']), [Buffer.from('x')]);
});

test('secrets are copied', (t) => {
  const bytes = Buffer.from('secret');
  const [copy] = parseSecrets(bytes);
  bytes.fill(0);
  t.is(copy!.toString(), 'secret');
  t.is(copy!.buffer.byteLength, copy!.length);
});

test('the error for an invalid secret gives its index but not its value', (t) => {
  for (const value of [undefined, null, 12345678, {}, new Uint16Array(2), new ArrayBuffer(2)]) {
    t.is(refused(parseSecrets as Read, value).option, 'secret');
    const listed = refused(parseSecrets as Read, ['hush', value]);
    t.is(listed.option, 'secret[1]');
    t.false(/hush|12345678/.test(listed.message), listed.message);
  }
  for (const empty of ['', new Uint8Array(0)]) {
    t.is(refused(parseSecrets as Read, empty).option, 'secret');
    t.is(refused(parseSecrets as Read, ['hush', 'hush', empty]).option, 'secret[2]');
  }
  t.is(refused(parseSecrets as Read, []).option, 'secret');
  t.is(refused(parseSecrets as Read, Array.from({ length: 1 })).option, 'secret[0]');
  const surrogate = refused(parseSecrets as Read, 'hush\ud800');
  t.regex(surrogate.message, /lone surrogates/);
  t.false(surrogate.message.includes('hush'));
});
