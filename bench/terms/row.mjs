// Measures one row of the table: `node --expose-gc row.mjs NAME EFFORT`; prints it as JSON.
import * as msgpack from '@msgpack/msgpack';
import { decode, encode } from 'backwater';
import { Packr } from 'msgpackr';
import { documents } from '../documents.mjs';
import { measure } from '../measure.mjs';
import { hasErlang, startErlang } from '../peers/erlang.mjs';
import { loadErlpacks } from '../peers/erlpack.mjs';
import { contradictionsIn, shares } from './shares.mjs';

const [name, effort] = [process.argv[2], JSON.parse(process.argv[3])];
const erlpacks = loadErlpacks();
/** For how long a codec works on each kind of data before, in milliseconds. */
const MEETING = 10;

// Programs have met all kinds of data before: no code may be optimised for this row alone.
for (const other of Object.values(documents)) {
  const ways = waysOf(other());
  for (const way of [...Object.values(ways.decode), ...Object.values(ways.encode)]) {
    const end = performance.now() + MEETING;
    do way();
    while (performance.now() < end);
  }
}

const document = documents[name]();
const ways = waysOf(document);
const erlang = hasErlang ? await startErlang(encode(document.term)) : undefined;
if (erlang !== undefined) {
  ways.decode['Erlang'] = erlang.decode;
  ways.encode['Erlang'] = erlang.encode;
}
const row = {
  name,
  decode: await measure(ways.decode, 'JSON', effort),
  encode: await measure(ways.encode, 'JSON', effort),
};
erlang?.stop();
const json = { decode: ways.decode.JSON, encode: ways.encode.JSON };
row.shares = await shares(document.term, json, effort);
row.contradictions = contradictionsIn(row, document.term);
console.log(JSON.stringify(row));

/** Each codec works on the form that it reads itself. */
function waysOf({ term, value }) {
  const decoding = {};
  const encoding = {};
  const add = (codec, pack, unpack) => {
    const packed = Buffer.from(pack());
    decoding[codec] = () => unpack(packed);
    encoding[codec] = pack;
  };
  const plain = new Packr({ useRecords: false, structuredClone: false });
  const records = new Packr({ useRecords: true });
  add('backwater', () => encode(term), decode);
  add(
    'JSON',
    () => Buffer.from(JSON.stringify(value)),
    (packed) => JSON.parse(packed.toString()),
  );
  add(
    'msgpackr',
    () => plain.pack(value),
    (packed) => plain.unpack(packed),
  );
  add(
    'msgpackr, records',
    () => records.pack(value),
    (packed) => records.unpack(packed),
  );
  add('@msgpack/msgpack', () => msgpack.encode(value, { maxDepth: 1000 }), msgpack.decode);
  for (const [codec, { pack, unpack }] of Object.entries(erlpacks)) {
    add(codec, () => pack(value), unpack);
  }
  return { decode: decoding, encode: encoding };
}
