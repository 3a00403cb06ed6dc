import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { runNode } from './support/child.js';
import { root } from './support/vectors.js';

const module = pathToFileURL(join(root, 'bench/terms/shares.mjs')).href;

const part = (time: number): object => {
  const spread = { median: time, low: time, high: time };
  return { micros: spread, ratio: spread };
};
const parts = {
  toTape: part(20),
  read: part(20),
  write: part(30),
  toBytes: part(15),
  copy: part(5),
};
const row = (shares: object): object => ({
  name: 'a list',
  decode: { backwater: part(42) },
  encode: { backwater: part(48) },
  shares,
});
const unread = { ...parts, read: part(0.3) };

const program = `
  const { contradictionsIn, shares } = await import(${JSON.stringify(module)});
  const term = Array.from({ length: 5000 }, (_, index) => index);
  const json = { decode: () => term.length, encode: () => term.length };
  const names = Object.keys(await shares(term, json, { rounds: 1, window: 1, warmUp: 1 }));
  const check = (row) => contradictionsIn(row, term);
  const rows = ${JSON.stringify([row(parts), row(unread)])};
  console.log(JSON.stringify({ names, found: rows.map(check) }));
`;

test('the benchmark of terms reports parts that contradict the whole', async (t) => {
  const { code, stdout, stderr } = await runNode(['--input-type=module', '--eval', program]);
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const { names, found } = JSON.parse(stdout) as { names: string[]; found: string[][] };
  for (const name of Object.keys(parts)) t.true(names.includes(name), name);
  const [right, wrong] = found;
  t.deepEqual(right, []);
  t.is(wrong!.length, 2);
  t.regex(wrong![0]!, /^a list: read takes 0\.3 µs, but /);
  t.regex(wrong![1]!, /^decoding a list: the parts take /);
});
