import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import test from 'ava';
import type { RemoteException } from '../src/errors/errors.js';
import { fromException } from '../src/exceptions/exceptions.js';
import { decode } from '../src/codec/decode.js';
import { TermError } from '../src/errors/errors.js';
import { printStacktrace, stackToTerms } from '../src/exceptions/stacktrace.js';
import {
  Atom,
  atom,
  charlist,
  charlistToString,
  isTuple,
  type Term,
  tuple,
} from '../src/terms/index.js';

const called = { module: 'bank', function: 'withdraw', arity: 2 };
const folder = join(import.meta.dirname, 'app');
const url = (file: string): string => pathToFileURL(join(folder, file)).href;

interface ReadFrame {
  module: string;
  function: string;
  arity: number;
  file?: string;
  line?: number;
}

function read(frames: readonly Term[]): ReadFrame[] {
  return frames.map((frame) => {
    if (!isTuple(frame) || frame.length !== 4) throw new Error('no frame');
    const [module, name, arity, place] = frame as readonly unknown[];
    if (!(module instanceof Atom) || !(name instanceof Atom)) throw new Error('no atoms');
    if (!Number.isInteger(arity) || !Array.isArray(place)) throw new Error('no arity or place');
    const names = { module: module.name, function: name.name, arity: arity as number };
    if (place.length === 0) return names;
    const [file, line] = place as unknown[];
    if (!isTuple(file, atom('file'), 2) || !isTuple(line, atom('line'), 2))
      throw new Error('no place');
    return { ...names, file: charlistToString(file[1] as number[]), line: line[1] as number };
  });
}

const frames = (stack: unknown, message: unknown = 'no'): ReadFrame[] =>
  read(stackToTerms(stack, message, called));

test('frames of every V8 format are read', (t) => {
  const stack = [
    'Error: no',
    `    at check (${url('rules.js')}:3:7)`,
    `    at Account.take [as withdraw] (${url('account.mjs')}:14:5)`,
    `    at new Account (${url('account.mjs')}:2:1)`,
    `    at Object.helper (/abs/path (copy)/old.cjs:5:9)`,
    `    at ${url('anonymous.js')}:7:1`,
    `    at async Module.load (${url('load.js')}:8:2)`,
    `    at async ${url('top.js')}:9:2`,
    '    at Array.map (<anonymous>)',
    `    at eval (eval at run (${url('run.js')}:1:1), <anonymous>:1:1)`,
    '    at async Promise.all (index 0)',
    '    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)',
    '    at native',
    '    and something else',
  ].join('\n');
  const file = (name: string): string => join(folder, name);
  t.deepEqual(frames(stack), [
    { module: 'rules', function: 'check', arity: 0, file: file('rules.js'), line: 3 },
    { module: 'account', function: 'Account.take', arity: 0, file: file('account.mjs'), line: 14 },
    { module: 'account', function: 'new Account', arity: 0, file: file('account.mjs'), line: 2 },
    { module: 'old', function: 'helper', arity: 0, file: '/abs/path (copy)/old.cjs', line: 5 },
    { module: 'anonymous', function: '<anonymous>', arity: 0, file: file('anonymous.js'), line: 7 },
    { module: 'load', function: 'load', arity: 0, file: file('load.js'), line: 8 },
    { module: 'top', function: '<anonymous>', arity: 0, file: file('top.js'), line: 9 },
  ]);
});

test('the frame of the called function has the names used by the caller', (t) => {
  const stack = [
    'Error: no',
    `    at withdraw (${url('inner.js')}:1:1)`,
    `    at async Object.withdraw (${url('outer.js')}:2:1)`,
    `    at async main (${url('main.js')}:3:1)`,
  ].join('\n');
  const read = frames(stack).map((frame) => `${frame.module}:${frame.function}/${frame.arity}`);
  t.deepEqual(read, ['inner:withdraw/0', 'bank:withdraw/2', 'main:main/0']);
});

test("a frame directly above the library's is the called function, whatever its name", (t) => {
  const library = new URL('../src/', import.meta.url);
  const at = (name: string): string =>
    `    at ${name} (${new URL(`${name}.js`, library).href}:1:1)`;
  const stack = [
    'Error: no',
    `    at get when (${url('getter.js')}:1:1)`,
    at('flatten'),
    `    at withdraw (${url('inner.js')}:1:1)`,
    `    at Object.take (${url('outer.js')}:2:1)`,
    at('server'),
    at('bridge'),
  ].join('\n');
  const read = frames(stack).map((frame) => `${frame.module}:${frame.function}/${frame.arity}`);
  t.deepEqual(read, ['getter:get when/0', 'inner:withdraw/0', 'bank:withdraw/2']);
});

test('frames of the library are omitted from real stacks', (t) => {
  let error: Error | undefined;
  try {
    charlist('\ud800');
  } catch (caught) {
    error = caught as Error;
  }
  t.regex(error!.stack!, /charlist\.[jt]s/);
  const read = frames(error!.stack, error!.message);
  t.true(read.length > 0);
  t.true(read[0]!.file!.includes('stacktrace.test'));
  t.false(read.some(({ file }) => /charlist\.[jt]s/.test(file ?? '')));
});

test('lines of the message are not frames', (t) => {
  const message = `no\n    at fake (${url('fake.js')}:1:1)`;
  const stack = `Error: ${message}\n    at real (${url('real.js')}:2:2)`;
  t.deepEqual(
    frames(stack, message).map(({ module }) => module),
    ['real'],
  );
  t.is(frames(stack, undefined)[0]!.module, 'fake');
  t.is(frames(`    at real (${url('real.js')}:2:2)`, 'not in there')[0]!.module, 'real');
});

test('without frames, the stack contains only the called function', (t) => {
  for (const stack of [undefined, null, 1, {}, [], '', 'Error: no', 'Error: no\n    at native']) {
    t.deepEqual(frames(stack), [{ module: 'bank', function: 'withdraw', arity: 2 }]);
  }
});

test('a stack has at most 64 frames', (t) => {
  const line = (n: number): string => `    at f${n} (${url('deep.js')}:${n}:1)`;
  const stack = (count: number): string =>
    ['Error: no', ...Array.from({ length: count }, (_, n) => line(n + 1))].join('\n');
  t.is(frames(stack(64)).length, 64);
  const cut = frames(stack(1000));
  t.is(cut.length, 64);
  t.is(cut[0]!.line, 1);
});

test('names of any length and characters become atoms', (t) => {
  const stack = (name: string): string => `Error: no\n    at ${name} (${url('x.js')}:1:1)`;
  t.is(frames(stack('x'.repeat(255)))[0]!.function, 'x'.repeat(255));
  t.is(frames(stack('x'.repeat(256)))[0]!.function, `${'x'.repeat(254)}…`);
  t.is(frames(stack('\ud800'))[0]!.function, '\ufffd');
  const long = 'y'.repeat(300);
  t.is(frames(`Error: no\n    at f (/${long}.js:1:1)`)[0]!.module, `${'y'.repeat(254)}…`);
});

test('text after 64 KiB is ignored', (t) => {
  const after = (length: number): string =>
    `Error: no\n${'-\n'.repeat(length / 2)}    at late (${url('late.js')}:1:1)`;
  t.is(frames(after(32 * 1024))[0]!.module, 'late');
  t.is(frames(after(64 * 1024))[0]!.module, 'bank');
});

test('a huge stack is read in linear time', (t) => {
  // Quadratic work would take hours.
  const start = performance.now();
  frames(`Error: no\n${`    at f (${'('.repeat(200)}${':1'.repeat(400)}\n`.repeat(50_000)}`);
  frames(`Error: no\n    at ${' [as '.repeat(10_000_000)}`);
  t.true(performance.now() - start < 60_000);
});

test('names of frames do not become known atoms for safe decoding', (t) => {
  const decodeSafely = (name: string): unknown =>
    decode(Buffer.from([131, 119, name.length, ...Buffer.from(name)]), {
      decodeUnsafeTerms: false,
    });
  t.is(frames(`Error: no\n    at fromData (${url('x.js')}:1:1)`)[0]!.function, 'fromData');
  t.throws(() => decodeSafely('fromData'), { instanceOf: TermError });
  t.is(decodeSafely('file'), atom('file'));
});

const place = (file: Term, line: Term): Term => [
  tuple(atom('file'), file),
  tuple(atom('line'), line),
];

test("remote frames are printed like V8's", (t) => {
  const m = atom('bank');
  const f = atom('withdraw');
  const info = tuple(atom('error_info'), new Map());
  t.deepEqual(
    printStacktrace([
      tuple(m, f, 2, place(charlist('src/bank.erl'), 12)),
      tuple(m, f, ['argument', 2, 3], []),
      tuple(m, f, 1, [info, ...(place('bank.js', 3) as Term[])]),
      tuple(m, f, 1, [tuple(atom('file'), Buffer.from('bank.ex'))]),
    ]),
    [
      '    at remote bank:withdraw/2 (src/bank.erl:12)',
      '    at remote bank:withdraw/3',
      '    at remote bank:withdraw/1 (bank.js:3)',
      '    at remote bank:withdraw/1 (bank.ex)',
    ],
  );
});

test('inspect prints modules, functions, files and lines of a stack trace', (t) => {
  const [m, f] = [atom('bank'), atom('withdraw')];
  const frames: Term[] = [
    tuple(m, f, 2, place(charlist('src/bank.erl'), 12)),
    tuple(m, f, 1, []),
    tuple(atom('other'), [1]),
  ];
  const shown = [
    '[',
    '  bank:withdraw/2 (src/bank.erl:12),',
    '  bank:withdraw/1,',
    "  tuple(atom('other'), [ 1 ])",
    ']',
  ].join('\n');
  const error = fromException(tuple(atom('error'), atom('badarg'), frames), { rethrow: false });
  const { stacktrace } = error as RemoteException;
  t.is(inspect(stacktrace), shown);
  const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');
  t.is(flat(inspect({ a: { stacktrace } })), flat(`{ a: { stacktrace: ${shown} } }`));
  t.deepEqual(stacktrace as Term[], frames);
  t.deepEqual(Object.keys(stacktrace as object), ['0', '1', '2']);
  const none = fromException(tuple(atom('error'), atom('badarg'), []), { rethrow: false });
  t.is(inspect((none as RemoteException).stacktrace), '[]');
});

test('invalid frames are omitted, and each frame stays on one line', (t) => {
  const good = tuple(atom('m'), atom('evil\n    at fake'), 1, []);
  const bad: Term[] = [
    1,
    'x',
    null,
    [],
    tuple(),
    tuple(1, 2, 3),
    tuple(atom('m'), atom('f'), 'x', []),
  ];
  const unreadable = tuple(atom('m'), atom('f'), 1, place([-1], 1));
  t.deepEqual(printStacktrace([...bad, good, unreadable]), ['    at remote m:evil     at fake/1']);
  for (const term of [undefined, null, 'x', 1, {}, new Map()])
    t.deepEqual(printStacktrace(term), []);
  t.is(printStacktrace(Array.from({ length: 65 }, () => good)).length, 64);
});
