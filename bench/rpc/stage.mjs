// Starts peers, each in a process of its own, and measures them.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuOf, cpuSince } from './cpu.mjs';
import { JsonProcess } from './json-process.mjs';
import { peers } from './peers/index.mjs';
import { encodedArguments } from './peers/rust.mjs';
import { startTool } from './rust-tool.mjs';
import { millisecond, SECRET, workloadOf } from './workloads.mjs';

const nodePeer = fileURLToPath(new URL('./node-peer.mjs', import.meta.url));

/** What one measurement gave. */
/** @typedef {{ rate: number, latency?: object, errors: number, cpu: Record<string, object> }} Sample */

export class Stage {
  #folder = mkdtempSync(join(tmpdir(), 'backwater-bench-'));
  /** Everything that was started, by what it is; a promise each. */
  #started = new Map();
  #processes = [];

  /** Ends all processes. */
  close() {
    for (const process of this.#processes) process.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #once(key, start) {
    if (!this.#started.has(key)) this.#started.set(key, start());
    return this.#started.get(key);
  }

  /** The server of a peer: port and process. */
  server(name, options) {
    const key = `server ${name} ${JSON.stringify(options)}`;
    return this.#once(key, async () => {
      const peer = peers[name];
      if (peer.serveOutside !== undefined) {
        const server = await peer.serveOutside();
        this.#processes.push(server);
        return server;
      }
      const process = this.#node(name, 'server');
      const { port } = await process.ask({ options });
      return { port, pid: process.pid };
    });
  }

  #node(name, role) {
    globalThis.process.env.BACKWATER_BENCH_STEPS ??= String(millisecond());
    const process = new JsonProcess(globalThis.process.execPath, [nodePeer, name, role]);
    this.#processes.push(process);
    return process;
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

  /**
   * A server alone: one request is replayed.
   *
   * @param {{ peer: string, workload: string, inFlight: number, seconds: number, rate?: number,
   *   options?: object, generator?: string }} what
   * @returns {Promise<Sample>}
   */
  async replay({ peer, workload, inFlight, seconds, rate, options, generator = 'load' }) {
    const { serverOf, connections } = peers[peer];
    const { port, pid } = await this.server(serverOf ?? peer, options);
    const request = peers[peer].request(workloadOf(workload), port);
    if (request.protocol === 'h2') {
      const body = await this.#file(`body ${peer} ${workload}`, () => request.body);
      return h2load({ ...request, body }, { pid, inFlight, seconds, connections });
    }
    const file = await this.#file(`request ${peer} ${workload} ${port}`, () => request.bytes);
    const load = await this.#tool('load', generator);
    const command = { port, request: file, inFlight, seconds, ...(rate && { rate }) };
    return measured({ server: pid, load: load.pid }, () => load.ask(command));
  }

  /**
   * A client alone: against a server that is faster than it.
   *
   * @returns {Promise<Sample>}
   */
  async call(what) {
    const { peer, workload } = what;
    if (peer === 'backwater' || peer === 'rust') return this.pair({ ...what, server: 'rust' });
    if (peers[peer].canned === undefined) return this.pair(what);
    const tool = await this.#tool('canned');
    const port = await this.#once(`canned ${peer} ${workload}`, async () => {
      const bytes = () => peers[peer].canned(workloadOf(workload));
      const response = await this.#file(`response ${peer} ${workload}`, bytes);
      return (await tool.ask({ response })).port;
    });
    return this.#drive(what, { port, pid: tool.pid });
  }

  /**
   * A client with a server, its own unless told.
   *
   * @returns {Promise<Sample>}
   */
  async pair({ server, ...what }) {
    return this.#drive(what, await this.server(server ?? what.peer, what.options));
  }

  async #drive({ peer, workload, inFlight, seconds, clientOptions }, { port, pid }) {
    const pids = (client) => ({ server: pid, client });
    if (peer === 'rust') {
      const tool = await this.#tool('call');
      const bytes = () => encodedArguments(workloadOf(workload));
      const file = await this.#file(`arguments ${workload}`, bytes);
      const command = { port, secret: SECRET, arguments: file, inFlight, seconds };
      return measured(pids(tool.pid), () => tool.ask(command));
    }
    // A process for each, so that connections stay when others have their turn.
    const key = `client ${peer} ${JSON.stringify(clientOptions)}`;
    const client = await this.#once(key, async () => this.#node(peer, 'client'));
    return measured(pids(client.pid), () =>
      client.ask({ port, workload, inFlight, seconds, clientOptions }),
    );
  }

  /** What each stage of a call costs in Rust, in microseconds. */
  async stages({ workload, compressionThreshold }) {
    const bytes = () => encodedArguments(workloadOf(workload));
    const file = await this.#file(`arguments ${workload}`, bytes);
    return (await this.#tool('stages')).ask({ arguments: file, compressionThreshold });
  }

  /** Connections to a server that have made one request each and are idle now. */
  async idle({ peer, workload, connections, options }) {
    const { port, pid } = await this.server(peer, options);
    const request = peers[peer].request(workloadOf(workload), port);
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

function h2load({ url, headers, body }, { pid, inFlight, seconds, connections = inFlight }) {
  const args = ['-c', Math.min(connections, inFlight), '-m', Math.ceil(inFlight / connections)];
  args.push('-D', `${Math.round(seconds * 1000)}ms`, '-d', body);
  args.push('--window-bits=30', '--connection-window-bits=30');
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  args.push(url);
  return measured({ server: pid }, () => runH2load(args.map(String)));
}

function runH2load(args) {
  return new Promise((resolve, reject) => {
    const process = spawn('h2load', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    process.stdout.on('data', (chunk) => (output += chunk));
    process.on('error', reject);
    process.on('close', () => {
      const finished = /finished in ([\d.]+)(us|ms|s), ([\d.]+) req\/s/.exec(output);
      const succeeded = /(\d+) 2xx/.exec(output);
      const failed = /(\d+) failed, (\d+) errored/.exec(output);
      if (!finished || !(Number(succeeded?.[1]) > 0)) {
        const said = output.trim().split('\n').at(-1);
        return reject(new Error(`no answers that h2load counts (it said: ${said})`));
      }
      const seconds = Number(finished[1]) * { us: 1e-6, ms: 1e-3, s: 1 }[finished[2]];
      resolve({ requests: Number(succeeded[1]), errors: Number(failed?.[1] ?? 0), seconds });
    });
  });
}
