// Starts peers, each in a process of its own, and measures them.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuOf, cpuSince, memoryOf, peakOf, resetPeak } from './cpu.mjs';
import { JsonProcess } from './json-process.mjs';
import { peerOf } from './peers/index.mjs';
import { pinned } from './pin.mjs';
import { encodedArguments } from './peers/rust.mjs';
import { startTool } from './rust-tool.mjs';
import { summary } from './statistics.mjs';
import { millisecond, SECRET, workloadOf } from './workloads.mjs';

const nodePeer = fileURLToPath(new URL('./node-peer.mjs', import.meta.url));

export class Stage {
  #folder = mkdtempSync(join(tmpdir(), 'backwater-bench-'));
  /** Promises of what was started, by what it is. */
  #started = new Map();
  #processes = [];
  #clients = new Map();

  close() {
    for (const process of this.#processes) process.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #once(key, start) {
    if (!this.#started.has(key)) this.#started.set(key, start());
    return this.#started.get(key);
  }

  server(name, options) {
    const key = `server ${name} ${JSON.stringify(options)}`;
    return this.#once(key, async () => {
      const peer = peerOf(name);
      const { process, port } = await this.#startServer(name, peer, options);
      this.#processes.push(process);
      return { port, pid: process.pid };
    });
  }

  async #startServer(name, peer, options) {
    if (peer.start !== undefined) return peer.start();
    if (peer.program === undefined) {
      const process = this.#node(name, 'server');
      return { process, ...(await process.ask({ options })) };
    }
    const process = new JsonProcess(...peer.program());
    return { process, ...(await process.next('the start')) };
  }

  #node(name, role) {
    globalThis.process.env.BACKWATER_BENCH_STEPS ??= String(millisecond());
    return new JsonProcess(globalThis.process.execPath, [nodePeer, name, role]);
  }

  #tool(command, key = command) {
    return this.#once(`tool ${key}`, async () => {
      const tool = startTool(command);
      this.#processes.push(tool);
      return tool;
    });
  }

  async #file(name, bytes) {
    return this.#once(`file ${name}`, async () => {
      const path = join(this.#folder, name.replaceAll(/\W+/g, '-'));
      writeFileSync(path, bytes());
      return path;
    });
  }

  /** A server alone, which gets one request again and again. */
  async replay({ peer, workload, options, generator = 'load', ...how }) {
    const { port, pid } = await this.server(peer, options);
    const request = peerOf(peer).request(workloadOf(workload), port);
    if (request.protocol === 'h2') {
      const body = await this.#file(`body ${peer} ${workload}`, () => request.body);
      const log = join(this.#folder, 'h2load.log');
      return measured({ server: pid }, () => h2load({ ...request, body, log }, how));
    }
    const file = await this.#file(`request ${peer} ${workload} ${port}`, () => request.bytes);
    const load = await this.#tool('load', generator);
    const command = { port, request: file, ...how };
    return measured({ server: pid, load: load.pid }, () => load.ask(command));
  }

  /** A client alone, against a server that is faster where there is one. */
  async call(what) {
    const { peer, workload } = what;
    if (peer === 'backwater' || peer === 'rust') return this.pair({ ...what, server: 'rust' });
    const { canned } = peerOf(peer);
    if (canned === undefined) return this.pair(what);
    const tool = await this.#tool('canned');
    const port = await this.#once(`canned ${peer} ${workload}`, async () => {
      const bytes = () => canned(workloadOf(workload));
      const response = await this.#file(`response ${peer} ${workload}`, bytes);
      return (await tool.ask({ response })).port;
    });
    return this.#drive(what, { port, pid: tool.pid });
  }

  async pair({ server, ...what }) {
    const { client = what.peer } = peerOf(what.peer);
    const target = await this.server(server ?? what.peer, what.options);
    return this.#drive({ ...what, peer: client }, target);
  }

  async #drive({ peer, workload, clientOptions, ...how }, { port, pid }) {
    const pids = (client) => ({ server: pid, client });
    if (peer === 'rust') {
      const tool = await this.#tool('call');
      const bytes = () => encodedArguments(workloadOf(workload));
      const file = await this.#file(`arguments ${workload}`, bytes);
      const command = { port, secret: SECRET, arguments: file, ...how };
      return measured(pids(tool.pid), () => tool.ask(command));
    }
    // A process for each, so that connections outlive the turns of others.
    const key = `client ${peer} ${port} ${JSON.stringify(clientOptions)}`;
    const client = await this.#once(key, async () => {
      const process = this.#node(peer, 'client');
      this.#processes.push(process);
      this.#clients.set(peer, process.pid);
      return process;
    });
    const command = { port, workload, clientOptions, ...how };
    return measured(pids(client.pid), () => client.ask(command));
  }

  /** How many bytes the memory of each grows at most. */
  async growth(what) {
    await this.pair({ ...what, inFlight: 1, seconds: 0.5 });
    const pids = [(await this.server(what.peer)).pid, this.#clients.get(what.peer)];
    const before = pids.map((pid) => (resetPeak(pid), memoryOf(pid)));
    await this.pair(what);
    const [server, client] = pids.map((pid, index) => peakOf(pid) - before[index]);
    return { server, client };
  }

  async stages({ workload }) {
    const bytes = () => encodedArguments(workloadOf(workload));
    const file = await this.#file(`arguments ${workload}`, bytes);
    return (await this.#tool('stages')).ask({ arguments: file });
  }

  /** Opens connections that make one request each. */
  async idle({ peer, workload, connections }) {
    const { port, pid } = await this.server(peer);
    const request = peerOf(peer).request(workloadOf(workload), port);
    const file = await this.#file(`request ${peer} ${workload} ${port}`, () => request.bytes);
    const load = await this.#tool('load', 'idle');
    await load.ask({ port, request: file, idle: connections });
    return pid;
  }
}

async function measured(pids, run) {
  const before = Object.entries(pids).map(([role, pid]) => [role, pid, cpuOf(pid)]);
  const { requests, errors, seconds, latency } = await run();
  const cpu = {};
  for (const [role, pid, times] of before) {
    const used = cpuSince(pid, times);
    if (used === undefined) continue;
    const each = (time) => time / requests;
    cpu[role] = { all: each(used.all), main: each(used.main), io: each(used.io) };
  }
  return { rate: requests / seconds, latency, errors, cpu };
}

export function isH2loadMissing() {
  return spawnSync('h2load', ['--version'], { stdio: 'ignore' }).error !== undefined;
}

/** With a `rate`, calls are due at fixed times, and a log has their latency. */
async function h2load(request, { inFlight, seconds, connections = inFlight, rate }) {
  const { url, headers, body, log } = request;
  const clients = Math.min(connections, inFlight);
  const args = ['-c', clients, '-m', Math.ceil(inFlight / clients)];
  args.push('-D', `${Math.round(seconds * 1000)}ms`, '-d', body);
  if (rate !== undefined) {
    rmSync(log, { force: true });
    args.push(`--rps=${rate / clients}`, `--log-file=${log}`);
  }
  args.push('--window-bits=30', '--connection-window-bits=30');
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  const result = await runH2load([...args, url].map(String));
  if (rate === undefined) return result;
  const times = readFileSync(log, 'utf8').trimEnd().split('\n');
  return { ...result, latency: summary(times.map((line) => Number(line.split('\t')[2]))) };
}

function runH2load(args) {
  return new Promise((resolve, reject) => {
    const process = spawn(...pinned('generator', 'h2load', args), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    process.stdout.on('data', (chunk) => (output += chunk));
    process.on('error', reject);
    process.on('close', () => {
      const finished = /finished in ([\d.]+)(us|ms|s), ([\d.]+) req\/s/.exec(output);
      const succeeded = /(\d+) 2xx/.exec(output);
      const failed = /(\d+) failed, (\d+) errored/.exec(output);
      if (!finished || !succeeded) {
        return reject(new Error(`h2load said: ${output.trim().split('\n').at(-1)}`));
      }
      const seconds = Number(finished[1]) * { us: 1e-6, ms: 1e-3, s: 1 }[finished[2]];
      resolve({ requests: Number(succeeded[1]), errors: Number(failed?.[1] ?? 0), seconds });
    });
  });
}
