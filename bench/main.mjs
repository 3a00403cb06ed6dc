// `npm run bench -- NAME [options]`: each benchmark is a module of this folder.
import { parseArgs } from 'node:util';

const BENCHMARKS = {
  terms: 'encoding and decoding of terms, against JSON, MessagePack, erlpack and Erlang',
  rpc: 'remote calls, against gRPC, Connect, JSON over HTTP, other runtimes, Erlang',
  streams: 'streams, against gRPC, Connect and chunked HTTP, and memory with slow consumers',
  'stream-lives': 'streams that end in random ways',
  soak: 'memory over a million calls of mixed sizes and failures',
  threads: 'worker threads that load the library, use it and end, in random order',
  timing: 'whether timing reveals where a signature is wrong',
  'hostile-terms': 'terms made to be as costly as possible to decode',
  costs: 'where the time of a call goes, and what the options change',
  'costs-of-input': 'CPU and memory that each byte of hostile input costs',
};

const USAGE = `usage: npm run bench -- NAME [options]

${Object.entries(BENCHMARKS)
  .map(([name, what]) => `  ${name.padEnd(16)}${what}\n`)
  .join('')}
  --quick         one short round, for a first look
  --only TEXT     only parts whose names contain TEXT; may be repeated
  --goals         for rpc: only the peers that its goals name

A run with options only prints its page. Other runs also write it to docs/benchmarks.
`;

const { name, values } = parse() ?? {};
if (!Object.hasOwn(BENCHMARKS, name ?? '') || values.help) {
  console.log(USAGE);
  process.exit(process.argv.length === 2 || values?.help ? 0 : 2);
}
const { quick, goals, only } = values;
const isWanted = (part) => only.length === 0 || only.some((text) => part.includes(text));
const isWhole = !quick && !goals && only.length === 0;
const { run } = await import(`./${name}.mjs`);
await run({ quick, goals, only, isWanted, isWhole });

function parse() {
  const boolean = { type: 'boolean', default: false };
  const only = { type: 'string', multiple: true, default: [] };
  const options = { quick: boolean, goals: boolean, help: boolean, only };
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    return { values, name: positionals.length === 1 ? positionals[0] : undefined };
  } catch {
    return undefined;
  }
}
