// The page that the benchmark of terms writes.

/**
 * @param {object[]} rows as row.mjs prints them
 * @param {import('./goals.mjs').Goal[]} goals
 * @param {{ node: string, platform: string, cpu: string, load: string }} machine
 */
export function report(rows, goals, machine) {
  return [
    '# Terms: encoding and decoding\n',
    `\`npm run bench -- terms\` with Node ${machine.node} on ${machine.platform} (${machine.cpu}; ` +
      `load average ${machine.load}).\n`,
    'Each cell is the median of the times relative to JSON on the same data in the same round of an ' +
      'interleaved run (smaller is faster), and in parentheses half of the rounds; below it the median ' +
      'time. JSON is `JSON.parse(buffer.toString())` and `Buffer.from(JSON.stringify(value))`. Erlang is ' +
      '`binary_to_term` and `term_to_binary` in a process of its own; what it decodes to are its own terms.\n',
    ...table(rows, 'decode', 'Decoding'),
    ...table(rows, 'encode', 'Encoding'),
    ...notes(rows),
    ...goalTable(goals),
    ...shareTable(rows),
  ].join('\n');
}

function table(rows, direction, title) {
  const names = Object.keys(rows[0][direction]);
  const cell = ({ micros, ratio }, name) =>
    name === 'JSON'
      ? `1<br>${time(micros.median)}`
      : `${number(ratio.median)} (${number(ratio.low)}–${number(ratio.high)})<br>${time(micros.median)}`;
  return [
    `## ${title}\n`,
    `| data | ${names.join(' | ')} |`,
    `| --- |${names.map(() => ' --: |').join('')}`,
    ...rows.map(
      (row) =>
        `| ${row.name} | ${names.map((name) => cell(row[direction][name], name)).join(' | ')} |`,
    ),
    '',
  ];
}

function notes(rows) {
  const peers = Object.keys(rows[0].decode);
  const missing = ['erlpack', '@yukikaze-bot/erlpack', 'Erlang'].filter(
    (name) => !peers.includes(name),
  );
  if (missing.length === 0) return [];
  return [
    `Not on this machine: ${missing.join(', ')}. The erlpacks are compiled when \`bench/peers\` is ` +
      'installed; they need a compiler, Python and the headers of Node.\n',
  ];
}

function goalTable(goals) {
  return [
    '## Goals\n',
    `${goals.filter(({ holds }) => holds).length} of ${goals.length} hold in this run.\n`,
    '| goal | at most | reached | |',
    '| --- | --: | --: | --- |',
    ...goals.map(
      ({ what, most, reached, holds }) =>
        `| ${what} | ${most} | ${number(reached)} | ${holds ? 'holds' : '**not met**'} |`,
    ),
    '',
  ];
}

function shareTable(rows) {
  const share = (own, other) =>
    `${((100 * own.median) / (own.median + other.median)).toFixed(0)} %`;
  return [
    '## The share of the JavaScript thread\n',
    'In a server or client the rest happens on other threads: from bytes to tape, and from tape to bytes. The ' +
      'benchmark fails unless these parts, with the copy that `encode` makes, add up to the times above.\n',
    '| data | tape → values | bytes → tape | share | values → tape | tape → bytes | share |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...rows.map(({ name, shares }) => {
      const [read, toTape, write, toBytes] = ['read', 'toTape', 'write', 'toBytes'].map(
        (part) => shares[part].micros,
      );
      const times = [read, toTape].map(({ median }) => time(median)).join(' | ');
      const back = [write, toBytes].map(({ median }) => time(median)).join(' | ');
      return `| ${name} | ${times} | ${share(read, toTape)} | ${back} | ${share(write, toBytes)} |`;
    }),
    '',
  ];
}

function number(value) {
  return value < 0.005 ? '<0.01' : value < 10 ? value.toFixed(2) : value.toFixed(0);
}

function time(micros) {
  const digits = micros < 10 ? 2 : micros < 100 ? 1 : 0;
  return `${micros.toFixed(digits)} µs`;
}
