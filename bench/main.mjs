// `npm run bench -- terms [options]`: benchmarks, each a module of this folder.
const benchmarks = {
  terms: {
    what: 'encoding and decoding of terms, against JSON, MessagePack, erlpack and Erlang',
    file: './terms.mjs',
  },
  rpc: {
    what: 'remote calls, against gRPC, Connect, JSON over HTTP, other runtimes, Erlang',
    file: './rpc.mjs',
  },
  streams: {
    what: 'streams, against gRPC, Connect and chunked HTTP, and memory with slow consumers',
    file: './streams.mjs',
  },
  'stream-lives': {
    what: 'streams that end in random ways',
    file: './stream-lives.mjs',
  },
  soak: {
    what: 'memory over a million calls of mixed sizes and failures',
    file: './soak.mjs',
  },
  lives: {
    what: 'worker threads terminated in the middle of calls',
    file: './lives.mjs',
  },
  threads: {
    what: 'worker threads that load the library, use it and leave, in random order',
    file: './threads.mjs',
  },
  timing: {
    what: 'whether the time of verifying tells where a signature is wrong',
    file: './timing.mjs',
  },
  'hostile-terms': {
    what: 'terms that were made to cost as much as possible to decode',
    file: './hostile-terms.mjs',
  },
  costs: {
    what: 'where the time of a call goes, and what the options change',
    file: './costs.mjs',
  },
  'costs-of-input': {
    what: 'CPU and memory that hostile input costs, for each byte of it',
    file: './costs-of-input.mjs',
  },
};

const [name, ...args] = process.argv.slice(2);
const benchmark = Object.hasOwn(benchmarks, name ?? '') ? benchmarks[name] : undefined;
if (benchmark === undefined) {
  console.log('usage: npm run bench -- NAME [--quick] [--only TEXT]\n');
  for (const [key, { what }] of Object.entries(benchmarks))
    console.log(`  ${key.padEnd(16)}${what}`);
  process.exit(name === undefined || name === '--help' ? 0 : 2);
}
const { run } = await import(benchmark.file);
await run(args);
