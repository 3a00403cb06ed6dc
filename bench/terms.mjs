// Encoding and decoding against JSON and MessagePack, as ratios within one interleaved run.
import { mkdirSync, writeFileSync } from 'node:fs';
import * as msgpack from '@msgpack/msgpack';
import { decode, encode } from 'backwater';
import { Packr, Unpackr } from 'msgpackr';
import { barChart } from './chart.mjs';
import { plain, special } from './documents.mjs';
import { measure } from './measure.mjs';
import { shares } from './shares.mjs';

export async function run(args) {
  const quick = args.includes('--quick');
  const effort = quick ? { rounds: 5, roundTime: 20 } : { rounds: 15, roundTime: 60 };
  const rows = [];
  for (const [name, make] of Object.entries(plain)) {
    const value = make();
    rows.push(compare(name, value, value, effort));
    console.error(`measured: ${name}`);
  }
  for (const [name, make] of Object.entries(special)) {
    rows.push(compare(name, ...make(), effort));
    console.error(`measured: ${name}`);
  }
  const text = report(rows) + shares({ ...plain, ...special }, effort);
  console.log(text);
  if (!quick) {
    const folder = new URL('../docs/benchmarks/', import.meta.url);
    mkdirSync(folder, { recursive: true });
    writeFileSync(new URL('terms.md', folder), text);
    writeFileSync(new URL('terms.svg', folder), chart(rows));
  }
}

function compare(name, term, value, effort) {
  const packr = new Packr({ useRecords: false, structuredClone: false });
  const recordPackr = new Packr({ useRecords: true });
  const unpackr = new Unpackr({ useRecords: false });
  const text = Buffer.from(JSON.stringify(value));
  const packed = Buffer.from(packr.pack(value));
  const recorded = Buffer.from(recordPackr.pack(value));
  const packed2 = Buffer.from(msgpack.encode(value, { maxDepth: 1000 }));
  const encoded = encode(term);
  return {
    name,
    decode: measure(
      {
        backwater: () => decode(encoded),
        JSON: () => JSON.parse(text.toString()),
        msgpackr: () => unpackr.unpack(packed),
        'msgpackr, records': () => recordPackr.unpack(recorded),
        '@msgpack/msgpack': () => msgpack.decode(packed2),
      },
      effort,
    ),
    encode: measure(
      {
        backwater: () => encode(term),
        JSON: () => Buffer.from(JSON.stringify(value)),
        msgpackr: () => packr.pack(value),
        'msgpackr, records': () => recordPackr.pack(value),
        '@msgpack/msgpack': () => msgpack.encode(value, { maxDepth: 1000 }),
      },
      effort,
    ),
  };
}

function report(rows) {
  const parts = [
    '# Terms: encoding and decoding\n',
    `Node ${process.versions.node}, ${process.platform}-${process.arch}; \`npm run bench -- terms\`. ` +
      'Median time; × is relative to JSON on the same data, smaller is faster.\n',
  ];
  for (const direction of ['decode', 'encode']) {
    const names = Object.keys(rows[0][direction]);
    parts.push(`## ${direction === 'decode' ? 'Decoding' : 'Encoding'}\n`);
    parts.push(`| data | ${names.join(' | ')} |`, `| --- |${names.map(() => ' --: |').join('')}`);
    for (const row of rows) {
      const json = row[direction].JSON;
      const cells = names.map((name) => {
        const micros = row[direction][name];
        return `${format(micros)} µs (×${(micros / json).toFixed(2)})`;
      });
      parts.push(`| ${row.name} | ${cells.join(' | ')} |`);
    }
    parts.push('');
  }
  return parts.join('\n');
}

function format(micros) {
  return micros < 10 ? micros.toFixed(2) : micros < 100 ? micros.toFixed(1) : micros.toFixed(0);
}

function chart(rows) {
  const bars = (direction) =>
    rows.map((row) => ({
      name: row.name,
      value: row[direction].backwater / row[direction].JSON,
    }));
  return barChart('Time relative to JSON on the same data (1 = as long)', {
    decode: bars('decode'),
    encode: bars('encode'),
  });
}
