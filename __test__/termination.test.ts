import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const child = fileURLToPath(new URL('./support/termination-child.js', import.meta.url));

interface Outcome {
  readonly worked: readonly boolean[];
  readonly errors?: readonly string[];
  readonly rounds?: readonly unknown[][];
  readonly pending?: number;
  readonly request?: boolean;
}

async function run(scenario: string): Promise<Outcome> {
  const args = [child, scenario];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 240_000 });
  return JSON.parse(stdout) as Outcome;
}

for (const scenario of [
  'encoding',
  'encoding, at any place',
  'decoding, at any place',
  'interrupts',
  'a worker',
]) {
  test(`the codec works after termination: ${scenario}`, async (t) => {
    const { worked } = await run(scenario);
    t.true(worked.length > 0);
    t.deepEqual([...new Set(worked)], [true]);
  });
}

test('the codec works after a stack overflow, which is a RangeError', async (t) => {
  const { worked, errors } = await run('a full stack');
  t.deepEqual([...new Set(worked)], [true]);
  t.deepEqual(errors, ['RangeError']);
});

test('calls of the same turn are made once and settle after termination', async (t) => {
  const { rounds, pending, request, worked } = await run('calls');
  t.deepEqual(
    rounds,
    Array.from({ length: 10 }, (_, round) => [
      round,
      round + 1,
      round + 2,
      round + 3,
      200_000,
      'mine',
    ]),
  );
  t.is(pending, 0);
  t.true(request);
  t.deepEqual(worked, [true]);
});
