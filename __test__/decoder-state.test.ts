import { createContext, runInContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import {
  atom,
  type DecodeOptions,
  decode,
  encode,
  isTuple,
  type Reviver,
  TermError,
  type Tuple,
  tuple,
} from '../src/index.js';

const small = { id: 1, tags: ['a', 'b'], at: [0.5, 1.5], hooked: tuple(atom('hook'), 7) };
const large = Array.from({ length: 30_000 }, (_, index) => ({ ...small, id: index }));
const messages = { small: [small], large };

function hooking(hook: (value: number) => unknown): DecodeOptions {
  const reviver: Reviver = {
    tag: 'hook',
    length: 2,
    revive: ([, value]: Tuple<readonly any[]>) => hook(value as number),
  };
  return { revivers: [reviver] };
}

function works(t: ExecutionContext): void {
  t.deepEqual(
    decode(
      encode([small]),
      hooking((value) => -value),
    ),
    [{ ...small, hooked: -7 }],
  );
  const all = decode(
    encode(large),
    hooking((value) => -value),
  ) as (typeof large)[number][];
  t.is(all.length, large.length);
  t.deepEqual(all.at(-1), { ...large.at(-1)!, hooked: -7 as never });
}

for (const [size, message] of Object.entries(messages)) {
  test(`the decoder works after node:vm times out in a reviver (${size})`, (t) => {
    const bytes = encode(message);
    const endless = (): never => {
      for (;;);
    };
    for (let round = 0; round < 5; round++) {
      const context = createContext({ decode, bytes, options: hooking(endless) });
      t.throws(() => void runInContext('decode(bytes, options)', context, { timeout: 20 }), {
        code: 'ERR_SCRIPT_EXECUTION_TIMEOUT',
      });
      works(t);
    }
  });

  test(`the decoder works after node:vm times out in a nested decode (${size})`, (t) => {
    const bytes = encode(message);
    const endless = (): never => {
      for (;;) decode(bytes);
    };
    const context = createContext({ decode, bytes, options: hooking(endless) });
    t.throws(() => void runInContext('decode(bytes, options)', context, { timeout: 50 }), {
      code: 'ERR_SCRIPT_EXECUTION_TIMEOUT',
    });
    works(t);
  });

  test(`a reviver may decode and encode (${size})`, (t) => {
    for (const inner of Object.values(messages)) {
      const bytes = encode(inner);
      let calls = 0;
      const options = hooking((value) => {
        if (++calls % 10_000 !== 1) return value;
        const copy = decode(encode(decode(bytes))) as unknown[];
        return [copy.length, copy.at(-1)];
      });
      const outer = decode(encode(message), options) as { hooked: unknown; id: number }[];
      t.is(outer.length, message.length);
      for (const [index, { hooked, id }] of outer.entries()) {
        if (id !== message[index]!.id) t.fail(`${index} has the id ${id}`);
        if (index % 10_000 === 0) t.deepEqual(hooked, [inner.length, inner.at(-1)]);
        else if (hooked !== 7) t.fail(`${index} has ${String(hooked)}`);
      }
    }
  });

  test(`revivers may decode recursively (${size})`, (t) => {
    const bytes = encode(message);
    let depth = 0;
    const options = hooking((value) => {
      if (depth === 20) return value;
      depth++;
      const inner = decode(bytes, options) as (typeof small)[];
      return inner[0]!.hooked;
    });
    const outer = decode(bytes, options) as (typeof small)[];
    t.is(depth, 20);
    t.deepEqual(outer[0], { ...message[0]!, hooked: 7 as never });
  });

  test(`the decoder works after a reviver throws or overflows the stack (${size})`, (t) => {
    const overflow = (): unknown => [overflow()];
    const failures = [
      () => {
        throw new Error('no');
      },
      overflow,
    ];
    for (const failure of failures) {
      for (let round = 0; round < 5; round++) {
        t.throws(() => decode(encode(message), hooking(failure)), {
          instanceOf: TermError,
          message: /^the reviver of the tag hook threw: (no|Maximum call stack size exceeded)$/,
        });
      }
      works(t);
    }
  });
}

test('the decoder works after the stack was full', (t) => {
  let deep: unknown = [];
  for (let depth = 0; depth < 500; depth++) deep = [deep];
  const bytes = encode(deep);
  const errors = new Set<unknown>();
  const descend = (): void => {
    try {
      descend();
    } finally {
      try {
        decode(bytes);
      } catch (error) {
        errors.add((error as Error).constructor.name);
      }
    }
  };
  t.throws(descend, { instanceOf: RangeError });
  t.true(errors.has('TermError') || errors.has('RangeError'));
  works(t);
});

test('nested decodes use their own options', (t) => {
  const seen: unknown[] = [];
  const bytes = encode([tuple(atom('hook'), 1), tuple(atom('hook'), 2)]);
  const options = hooking((value) => {
    seen.push(value);
    return decode(encode(tuple(atom('other'), value)));
  });
  const values = decode(bytes, options) as unknown as unknown[];
  t.deepEqual(seen, [1, 2]);
  t.true(values.every((value) => isTuple(value, atom('other'), 2)));
});
