import { percent, ranWith, table } from '../format.mjs';
import { checkGoals } from './goals.mjs';

export function report(rows, load) {
  const [typical, most] = noiseOf(rows);
  const [before, after] = load.map((minute) => minute.toFixed(1));
  return `# Terms: encoding and decoding

${ranWith('terms')} The load average was ${before} before and ${after} after.

Codecs take turns in each round. Each cell has the median of the times relative to JSON's in the same round, and below it
the median time in microseconds. In half of the cells, half of the rounds lie within ±${percent(typical)} of the median, and in nine of
ten cells, within ±${percent(most)}. JSON is \`JSON.parse(buffer.toString())\` and \`Buffer.from(JSON.stringify(value))\`. Erlang is \`binary_to_term\` and
\`term_to_binary\` in a process of its own.
${missing(rows)}
## Decoding

${times(rows, 'decode')}
## Encoding

${times(rows, 'encode')}
${goals(rows)}
## The share of the JavaScript thread

In a server or client, the JavaScript thread only reads tapes into values and writes values onto tapes. Other threads do
the rest.

${shares(rows)}`;
}

/** Half the distance between the quartiles, of half of the cells and of nine in ten. */
function noiseOf(rows) {
  const noise = rows
    .flatMap(({ decode, encode }) => [decode, encode])
    .flatMap(({ JSON: _base, ...others }) => Object.values(others))
    .map(({ ratio: { low, median, high } }) => (high - low) / 2 / median)
    .sort((a, b) => a - b);
  return [0.5, 0.9].map((share) => noise[Math.floor(share * (noise.length - 1))]);
}

function missing([{ decode }]) {
  const names = ['erlpack', 'Erlang'].filter((name) => !(name in decode));
  return names.length === 0 ? '' : `Not on this machine: ${names.join(', ')}.\n`;
}

function times(rows, direction) {
  const names = Object.keys(rows[0][direction]);
  const cell = ({ micros, ratio }, name) =>
    name === 'JSON' ? time(micros) : `${number(ratio.median)}<br>${time(micros)}`;
  return table(
    ['', ...names],
    rows.map((row) => [row.name, ...names.map((name) => cell(row[direction][name], name))]),
  );
}

function goals(rows) {
  const all = checkGoals(rows);
  const missed = all.filter(({ most, reached }) => reached > most);
  const list = missed.map(({ what, most, reached }) => [what, String(most), number(reached)]);
  return `## Goals

This run reaches ${all.length - missed.length} of ${all.length} goals: at most half of JSON's time for the first three documents and 10,000 records, 0.8 of it for
20 records, and all of it for one; at most msgpackr's time; and, for 10,000 records, about the time of msgpackr with records.${missed.length === 0 ? '\n' : ` Not reached:\n\n${table(['', 'goal', 'measured'], list)}`}`;
}

function shares(rows) {
  const share = (own, other) => percent(own.median / (own.median + other.median));
  const heads = ['', 'tape to values, µs', 'of decoding', 'values to tape, µs', 'of encoding'];
  return table(
    heads,
    rows.map(({ name, shares: { read, toTape, write, toBytes } }) => [
      name,
      time(read.micros),
      share(read.micros, toTape.micros),
      time(write.micros),
      share(write.micros, toBytes.micros),
    ]),
  );
}

const number = (value) => (value < 0.005 ? '<0.01' : value.toFixed(value < 10 ? 2 : 0));

function time({ median }) {
  return median.toFixed(median < 10 ? 2 : median < 100 ? 1 : 0);
}
