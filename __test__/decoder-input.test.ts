import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import { decode, encode, TermError, tuple, atom } from '../src/index.js';

const value = { text: 'text', number: 1.5, bytes: Buffer.from([255, 0, 1]), big: 10n ** 30n };
const large = { ...value, more: 'x'.repeat(100_000), binary: Buffer.alloc(70_000, 255) };

for (const [size, given] of Object.entries({ small: value, large })) {
  const bytes = encode(given);

  test(`decode ignores the overrides of a subclass (${size})`, (t) => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 3;
      }
      override get byteLength(): number {
        return 3;
      }
      override get byteOffset(): number {
        return 1;
      }
      override get buffer(): ArrayBuffer {
        return new ArrayBuffer(8);
      }
      override subarray(): never {
        throw new Error('not to be called');
      }
      override slice(): never {
        throw new Error('not to be called');
      }
      static get [Symbol.species](): never {
        throw new Error('not to be called');
      }
    }
    const liar = new Liar(bytes);
    t.is(liar.length, 3);
    t.deepEqual(decode(liar), given);
    t.throws(() => decode(new Liar(bytes).fill(0)), { instanceOf: TermError });
    const own = Buffer.from(bytes);
    Object.defineProperties(own, { length: { value: 5 }, buffer: { value: undefined } });
    t.deepEqual(decode(own), given);
  });

  test(`decode accepts a view into a larger buffer (${size})`, (t) => {
    const room = new Uint8Array(bytes.length + 20);
    room.set(bytes, 13);
    t.deepEqual(decode(room.subarray(13)), given);
    t.deepEqual(decode(new Uint8Array(room.buffer, 13, bytes.length)), given);
  });

  test(`decode accepts a SharedArrayBuffer and copies its bytes (${size})`, (t) => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 7)).subarray(7);
    shared.set(bytes);
    const decoded = decode(shared) as { bytes: Buffer };
    shared.fill(0);
    t.deepEqual(decoded, given as never);
    t.false(decoded.bytes.buffer instanceof SharedArrayBuffer);
  });

  test(`decode accepts a resizable buffer (${size})`, (t) => {
    const buffer = new ArrayBuffer(bytes.length, { maxByteLength: bytes.length * 2 } as never);
    const growing = new Uint8Array(buffer);
    growing.set(bytes);
    t.deepEqual(decode(growing), given);
  });

  test(`decode accepts arrays of another realm (${size})`, (t) => {
    const context = createContext({ bytes });
    const foreign = runInContext('new Uint8Array(bytes)', context) as Uint8Array;
    t.false(foreign instanceof Uint8Array);
    t.deepEqual(decode(foreign), given);
    const shared = runInContext(
      'const s = new Uint8Array(new SharedArrayBuffer(bytes.length)); s.set(bytes); s',
      context,
    ) as Uint8Array;
    t.deepEqual(decode(shared), given);
  });

  test(`decode survives a reviver that detaches its input (${size})`, (t) => {
    const encoded = encode([tuple(atom('taking'), 1), given]);
    const copy = new Uint8Array(encoded);
    const take = (): unknown => structuredClone(copy, { transfer: [copy.buffer] }).length;
    const revivers = [{ tag: 'taking', length: 2, revive: take }];
    if (size === 'small') {
      t.deepEqual(decode(copy, { revivers }), [encoded.length, given]);
    } else {
      t.throws(() => decode(copy, { revivers }), {
        instanceOf: TermError,
        message: 'the bytes were detached or resized while they were decoded',
      });
    }
    t.is(copy.length, 0);
    t.throws(() => decode(copy), { instanceOf: TermError, message: /ends in the middle/ });
    t.deepEqual(decode(bytes), given);
  });
}

test('decode refuses anything but byte arrays', (t) => {
  const things = [
    undefined,
    null,
    'g2EB',
    [131, 97, 1],
    new ArrayBuffer(3),
    new DataView(new ArrayBuffer(3)),
    new Uint16Array(3),
    new Int8Array([-125, 97, 1]),
    new Proxy(new Uint8Array([131, 97, 1]), {}),
    { length: 3, 0: 131, 1: 97, 2: 1 },
    Object.create(Uint8Array.prototype),
  ];
  for (const thing of things) {
    t.throws(() => decode(thing as never), {
      instanceOf: TermError,
      message: 'decode takes a Uint8Array with a term in the external term format',
    });
  }
});
