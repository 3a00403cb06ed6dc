// `node --expose-gc row.mjs NAME EFFORT` measures one row.
import * as msgpack from '@msgpack/msgpack';
import { decode, encode } from 'backwater';
import { Packr } from 'msgpackr';
import { documents } from '../documents.mjs';
import { measure } from '../measure.mjs';
import { hasErlang, startErlang } from '../peers/erlang.mjs';
import { loadErlpack } from '../peers/erlpack.mjs';
import { contradictionsIn, shares } from './shares.mjs';

const [name, effort] = [process.argv[2], JSON.parse(process.argv[3])];
const erlpack = loadErlpack();
/** Milliseconds with all other data before, so that V8 does not optimize for this row alone. */
const MEETING = 10;

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
  const parse = (packed) => JSON.parse(packed.toString());
  add('JSON', () => Buffer.from(JSON.stringify(value)), parse);
  const msgpackr = { msgpackr: plain, 'msgpackr, records': records };
  for (const [codec, packr] of Object.entries(msgpackr)) {
    const unpack = (packed) => packr.unpack(packed);
    add(codec, () => packr.pack(value), unpack);
  }
  add('@msgpack/msgpack', () => msgpack.encode(value, { maxDepth: 1000 }), msgpack.decode);
  if (erlpack !== undefined) add('erlpack', () => erlpack.pack(value), erlpack.unpack);
  return { decode: decoding, encode: encoding };
}
