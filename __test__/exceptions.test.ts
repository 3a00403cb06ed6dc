import { inspect } from 'node:util';
import vm from 'node:vm';
import test from 'ava';
import { OptionError, RemoteException, ResponseError } from '../src/errors/errors.js';
import {
  fallbackException,
  fromException,
  raise,
  RaisedException,
  toException,
} from '../src/exceptions/exceptions.js';
import { atom, charlist, isTuple, type Term, tuple } from '../src/terms/index.js';

const settings = { objectKeys: 'binary', maxDepth: 100, maxEncodedResultSize: 2 ** 20 } as const;
const context = {
  returnStacktraces: true,
  settings,
  module: 'bank',
  function: 'withdraw',
  arity: 1,
};
const bare = tuple(atom('bank'), atom('withdraw'), 1, []);

function thrown(value: unknown): { class: string; reason: unknown; stack: readonly Term[] } {
  const exception = toException(value, context);
  if (!isTuple(exception) || exception.length !== 3) throw new Error('no exception');
  const [{ name }, reason, stack] = exception;
  return { class: name, reason: fieldsOf(reason) ?? reason, stack: stack as Term[] };
}

function fieldsOf(reason: unknown): Record<string, unknown> | undefined {
  if (!isTuple(reason, atom('js_error'), 2)) return undefined;
  return Object.fromEntries(
    Array.from(reason[1] as Map<{ name: string }, unknown>, ([key, value]) => [key.name, value]),
  );
}

test('an error becomes a js_error with atoms as keys', (t) => {
  const error = Object.assign(new TypeError('no 5'), { code: 'E_NO', other: 1 });
  const exception = toException(error, context);
  t.is(exception[0], atom('error'));
  t.deepEqual(
    exception[1],
    tuple(
      atom('js_error'),
      new Map([
        [atom('name'), 'TypeError'],
        [atom('message'), 'no 5'],
        [atom('code'), 'E_NO'],
      ]),
    ) as Term,
  );
});

test('the stack starts with the place where the error was created', (t) => {
  function withdraw(): Error {
    return new Error('no');
  }
  const { stack } = thrown(withdraw());
  const [module, name, arity, place] = stack[0] as unknown as readonly unknown[];
  t.deepEqual([module, name, arity], [atom('bank'), atom('withdraw'), 1]);
  const [file, line] = place as [readonly [unknown, number[]], readonly [unknown, number]];
  t.regex(String.fromCodePoint(...file[1]), /exceptions\.test\.[jt]s$/);
  t.true(line[1] > 40);
});

test('without returnStacktraces, the stack is empty and never read', (t) => {
  const error = Object.defineProperty(new Error('no'), 'stack', {
    get: () => t.fail('stack was read'),
  });
  t.deepEqual(toException(error, { ...context, returnStacktraces: false })[2], []);
  t.deepEqual(toException(1, { ...context, returnStacktraces: false })[2], []);
});

test('code is sent if it is a string or a number', (t) => {
  const withCode = (code: unknown): unknown =>
    (thrown(Object.assign(new Error('x'), { code })).reason as { code?: unknown }).code;
  t.is(withCode('E'), 'E');
  t.is(withCode(20), '20');
  for (const code of [undefined, null, {}, true, Symbol('s')]) t.is(withCode(code), undefined);
  t.deepEqual(Object.keys(thrown(new Error('x')).reason as object), ['name', 'message']);
});

test('errors of all classes are sent as errors', (t) => {
  class OwnError extends Error {
    override name = 'OwnError';
  }
  const foreign: unknown = vm.runInNewContext("new RangeError('far')");
  const abort = new DOMException('stop', 'AbortError');
  for (const [error, name, message] of [
    [new OwnError('own'), 'OwnError', 'own'],
    [foreign, 'RangeError', 'far'],
    [abort, 'AbortError', 'stop'],
    [new AggregateError([], 'many'), 'AggregateError', 'many'],
    [Object.create(new Error('inherited')), 'Error', 'inherited'],
  ] as const) {
    const { class: kind, reason } = thrown(error);
    t.is(kind, 'error');
    t.like(reason, { name, message });
  }
});

test('a thrown value that is not an error arrives unchanged, with the frame of the called function', (t) => {
  const function_ = (): void => {};
  for (const value of ['text', 5, null, undefined, tuple(atom('oops')), { name: 'x' }, function_]) {
    const { class: kind, reason, stack } = thrown(value);
    t.is(kind, 'throw');
    t.is(reason, value);
    t.deepEqual(stack, [bare as Term]);
  }
});

test('raise throws any term with any class', (t) => {
  for (const kind of ['error', 'exit', 'throw'] as const) {
    const reason = tuple(atom('oops'), { kind });
    const error = t.throws(() => raise(kind, reason), { instanceOf: RaisedException });
    t.is(error!.class, kind);
    t.is(error!.reason, reason);
    t.is(error!.name, 'RaisedException');
    t.is(error!.message, `${kind}: {oops,#{kind => <<"${kind}">>}}`);
    const exception = thrown(error);
    t.is(exception.class, kind);
    t.is(exception.reason, reason);
    t.true(isTuple(exception.stack[0]));
  }
  t.is(thrown(new RaisedException('exit', undefined)).reason, undefined);
});

test('raise accepts three classes', (t) => {
  for (const kind of ['Error', '', 'constructor', undefined, atom('error')]) {
    const error = t.throws(() => raise(kind as 'error', 1), { instanceOf: OptionError });
    t.is(error!.option, 'class');
  }
});

test('lone surrogates are replaced', (t) => {
  const error = Object.assign(new Error('a\ud800b'), { name: '\udfff', code: '\ud800' });
  t.deepEqual(thrown(error).reason, { name: '\ufffd', message: 'a\ufffdb', code: '\ufffd' });
});

const trap = (): never => {
  throw new Error('trap');
};
const hostileHandler = Object.fromEntries(
  Reflect.ownKeys(Reflect).map((key) => [key, trap]),
) as ProxyHandler<Error>;

for (const [what, make] of [
  ['getters that throw', () => hostileGetters(trap)],
  ['getters that return symbols', () => hostileGetters(() => Symbol('s'))],
  ['getters that return objects', () => hostileGetters(() => ({ toString: trap }))],
  ['a proxy that traps everything', () => new Proxy(new Error('x'), hostileHandler)],
  ['a revoked proxy', () => revoked()],
  ['a stack that is a list', () => Object.assign(new Error('x'), { stack: [1] })],
  [
    'a stack of 20 MB',
    () => Object.assign(new Error('x'), { stack: '    at f (x:1:1)\n'.repeat(1.3e6) }),
  ],
  ['fields without a prototype', () => Object.setPrototypeOf(new Error('x'), null)],
  ['a raised class that changes', () => changingClass()],
  ['an object that prints badly', () => ({ [inspect.custom]: trap })],
  ['a raised reason that prints badly', () => new RaisedException('exit', hostileGetters(trap))],
] as const) {
  test(`toException and fallbackException do not throw: ${what}`, (t) => {
    const value: unknown = make();
    const exception = toException(value, context);
    t.true(['error', 'exit', 'throw'].includes(exception[0].name));
    if (exception[0] === atom('error')) {
      const fields = fieldsOf(exception[1]);
      for (const field of ['name', 'message'] as const) t.is(typeof fields![field], 'string');
    }
    t.true((exception[2] as unknown[]).length <= 64);
    t.true(['error', 'exit', 'throw'].includes(fallbackException(value)[0].name));
  });
}

function hostileGetters(get: () => unknown): Error {
  const error = new Error('x');
  // First, because V8 formats the stack when it is replaced.
  for (const name of ['stack', 'name', 'message', 'code', 'data', 'cause']) {
    Object.defineProperty(error, name, { get });
  }
  return error;
}

function revoked(): Error {
  const { proxy, revoke } = Proxy.revocable(new Error('x'), {});
  revoke();
  return proxy;
}

function changingClass(): RaisedException {
  const classes = ['exit', 'nonsense', 1];
  return Object.defineProperty(new RaisedException('exit', 1), 'class', {
    get: () => classes.shift() ?? trap(),
  });
}

test('the fallback keeps the class and describes the reason as text', (t) => {
  t.deepEqual(fallbackException(Symbol('s')), tuple(atom('throw'), 'Symbol(s)', []) as never);
  const raised = new RaisedException('exit', { when: () => 1 });
  t.deepEqual(
    fallbackException(raised),
    tuple(atom('exit'), '{ when: [Function: when] }', []) as never,
  );
  const [kind, reason, stack] = fallbackException(new RangeError('far'));
  t.is(kind, atom('error'));
  t.deepEqual(fieldsOf(reason), { name: 'RangeError', message: 'far' });
  t.deepEqual(stack, []);
  const [, without] = fallbackException({ cause: new TypeError('inside'), f: () => 1 });
  t.regex(without as string, /TypeError: inside/);
  t.notRegex(without as string, /\.[jt]s|\n/, 'stacks are for callers who may see them');
  const long = fallbackException(Array.from({ length: 1e5 }, () => Symbol('x'.repeat(1000))));
  t.true((long[1] as string).length <= 1000);
});

const stack: Term = [
  tuple(atom('bank'), atom('withdraw'), 1, [
    tuple(atom('file'), charlist('/app/bank.js')),
    tuple(atom('line'), 12),
  ]),
];
const jsError = (fields: Term): Term => tuple(atom('js_error'), fields);
const rethrown = (kind: string, reason: Term, frames: Term = stack): unknown =>
  fromException(tuple(atom(kind), reason, frames), { rethrow: true });
const kept = (kind: string, reason: Term, frames: Term = stack): unknown =>
  fromException(tuple(atom(kind), reason, frames), { rethrow: false });

const forms = (fields: Record<string, string>): readonly (readonly [string, Term])[] => {
  const entries = Object.entries(fields);
  return [
    ['js', fields],
    ['js, buffers', Object.fromEntries(entries.map(([k, v]) => [k, Buffer.from(v)]))],
    ['exact', new Map(entries.map(([k, v]) => [atom(k), Buffer.from(v)]))],
    ['a map of atoms', new Map(entries.map(([k, v]) => [atom(k), v]))],
  ];
};

for (const [mode, fields] of forms({ name: 'RangeError', message: 'zu groß', code: 'E_FAR' })) {
  test(`a js_error is rethrown as an error (${mode})`, (t) => {
    const error = rethrown('error', jsError(fields)) as RangeError & { code: string };
    t.is(Object.getPrototypeOf(error), RangeError.prototype);
    t.is(error.message, 'zu groß');
    t.is(error.code, 'E_FAR');
    t.is(error.stack, 'RangeError: zu groß\n    at remote bank:withdraw/1 (/app/bank.js:12)');
    t.true(inspect(error).includes("code: 'E_FAR'"));
  });
}

test('built-in errors are rethrown as their class, others keep only their name', (t) => {
  const make = (name: string): Error => rethrown('error', jsError({ name, message: 'm' })) as Error;
  for (const known of [
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
  ]) {
    t.is(make(known.name).constructor, known);
    t.false(Object.hasOwn(make(known.name), 'name'));
  }
  for (const name of ['AggregateError', 'OwnError', 'Function', 'constructor', '__proto__', '']) {
    const error = make(name);
    t.is(error.constructor, Error);
    t.is(error.name, name);
    t.false('code' in error);
  }
  t.regex(make('OwnError').stack!, /^OwnError: m\n {4}at remote /);
});

test('an error survives a round trip', (t) => {
  const error = Object.assign(new TypeError('no 5'), { code: 'E_NO' });
  const back = fromException(toException(error, context), { rethrow: true }) as typeof error;
  t.true(back instanceof TypeError);
  t.like(back, { message: 'no 5', code: 'E_NO', name: 'TypeError' });
  t.regex(back.stack!, /^TypeError: no 5\n {4}at remote .*exceptions\.test/);
});

test('with rethrow, a throw rejects with its term, and everything else is a RemoteException', (t) => {
  const reason = tuple(atom('oops'), 1) as Term;
  t.is(rethrown('throw', reason), reason);
  t.is(rethrown('throw', undefined), undefined);
  const fields = jsError({ name: 'Error', message: 'm' });
  t.is(rethrown('throw', fields), fields);
  for (const [kind, term] of [
    ['exit', atom('normal')],
    ['exit', fields],
    ['error', atom('badarith')],
    ['error', tuple(atom('other'), { name: 'Error', message: 'm' })],
    ['error', tuple(atom('js_error'), { name: 'Error', message: 'm' }, 3)],
    ['error', [atom('js_error'), { name: 'Error', message: 'm' }]],
    ['error', jsError({ name: 'Error' })],
    ['error', jsError({ name: 'Error', message: 5 })],
    ['error', jsError(null)],
    ['error', jsError('x')],
    ['error', jsError(Object.create({ name: 'Error', message: 'inherited' }) as Term)],
  ] as const) {
    const error = rethrown(kind, term as Term);
    t.true(error instanceof RemoteException, inspect(term));
    t.like(error, { class: kind, reason: term });
  }
});

test('without rethrow, a RemoteException has class, reason, stack and a readable message', (t) => {
  for (const [kind, reason, message] of [
    ['error', atom('badarith'), 'badarith'],
    ['exit', tuple(atom('shutdown'), 5), '{shutdown,5}'],
    ['throw', 'text', '<<"text">>'],
    ['error', jsError({ name: 'RangeError', message: 'far' }), 'RangeError: far'],
    ['error', jsError({ name: 'E', message: 'm', code: 'C' }), 'E [C]: m'],
    ['error', jsError({ name: 'E', message: '' }), 'E'],
  ] as const) {
    const error = kept(kind, reason as Term) as RemoteException;
    t.true(error instanceof RemoteException);
    t.like(error, { class: kind, reason, stacktrace: stack });
    t.is(error.message, `remote ${kind}: ${message}`);
    t.is(
      error.stack,
      `RemoteException: ${error.message}\n    at remote bank:withdraw/1 (/app/bank.js:12)`,
    );
  }
});

test('without a remote stack, the local stack is kept', (t) => {
  for (const frames of [[], 'nonsense', [1, 2]]) {
    const error = kept('error', atom('badarith'), frames) as RemoteException;
    t.is(error.stacktrace, frames as Term);
    t.regex(error.stack!, /^RemoteException: remote error: badarith\n.*exceptions/s);
  }
});

test('a malformed exception is a ResponseError', (t) => {
  for (const value of [
    undefined,
    'x',
    [],
    [atom('error'), 1, []],
    tuple(atom('error'), 1),
    tuple(atom('error'), 1, [], 2),
    tuple(atom('other'), 1, []),
    tuple(atom('constructor'), 1, []),
    tuple('error', 1, []),
  ]) {
    const error = fromException(value, { rethrow: true });
    t.true(error instanceof ResponseError, inspect(value));
    t.is((error as ResponseError).reason, 'invalid_body');
  }
});
