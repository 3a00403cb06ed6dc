// Attacks a process, and reads from /proc what that costs it.
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { certificate } from './certificate.mjs';
import { cpuOf, memoryOf, peakOf, resetPeak } from '../rpc/cpu.mjs';
import { JsonProcess } from '../rpc/json-process.mjs';
import { median } from '../rpc/statistics.mjs';

const library =
  process.env.BACKWATER_LIBRARY ?? new URL('../../build/index.js', import.meta.url).href;
const program = fileURLToPath(new URL('target.mjs', import.meta.url));
/** Bytes to send at once for memory, and in all for CPU. */
const AT_ONCE = 24e6;
const SAMPLE = 8e6;
const LANES = 8;

/** Microseconds per message. */
export async function cpuOfInput(kind, quick) {
  const target = await Target.start(kind);
  try {
    const count = within(SAMPLE / kind.size / (quick ? 8 : 1), kind.atMost ?? 2000, 16);
    await target.attack(Math.ceil(count / 8), LANES);
    const samples = [];
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      const before = total(cpuOf(target.pid));
      await target.attack(count, LANES);
      samples.push((total(cpuOf(target.pid)) - before) / count);
    }
    return median(samples);
  } finally {
    target.close();
  }
}

/** Bytes per message, of a few or of many at once, whichever takes more. */
export async function memoryOfInput(kind, quick) {
  const many = within(AT_ONCE / kind.size / (quick ? 4 : 1), kind.atMost ?? 1000, 2);
  const peaks = [];
  for (const count of [Math.min(16, many), many])
    peaks.push((await peakOfInput(kind, count)) / count);
  return Math.max(...peaks);
}

/** Peak resident memory above an idle process, in bytes. */
export async function peakOfInput(kind, count) {
  const target = await Target.start(kind);
  try {
    await target.attack(64, LANES, kind.tls ? kind : kind.smallest);
    return await target.holdAtOnce(count);
  } finally {
    target.close();
  }
}

function within(value, most, least) {
  return Math.round(Math.max(least, Math.min(most, value)));
}

function total(cpu) {
  let sum = 0;
  for (const time of cpu.values()) sum += time;
  return sum;
}

class Target {
  static async start(kind) {
    const target = new (kind.side === 'server' ? ServerTarget : ClientTarget)(kind);
    await target.begin();
    return target;
  }

  constructor(kind) {
    this.kind = kind;
    this.process = new JsonProcess(process.execPath, ['--expose-gc', program, library]);
  }

  get pid() {
    return this.process.pid;
  }

  /** Resident memory after a collection; resets the peak. */
  async settle() {
    await this.process.ask({ settle: true });
    resetPeak(this.pid);
    return memoryOf(this.pid);
  }

  async rest() {
    for (let used = -1; ;) {
      await sleep(100);
      const now = total(cpuOf(this.pid));
      if (now - used < 2000) return;
      used = now;
    }
  }

  close() {
    this.process.close();
  }
}

/** Each request has a connection of its own. */
class ServerTarget extends Target {
  async begin() {
    const tls = this.kind.tls ? certificate() : undefined;
    const { port } = await this.process.ask({ serve: { ...this.kind.options, tls } });
    this.port = port;
  }

  async attack(count, lanes, kind = this.kind) {
    let left = count;
    const lane = async () => {
      while (left-- > 0) {
        const connection = await Connection.open(this.port, kind.fixed);
        await connection.send(kind.input(), kind.pieces);
        await connection.answered();
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  async holdAtOnce(count) {
    const connections = await Promise.all(
      Array.from({ length: count }, () => Connection.open(this.port, this.kind.fixed)),
    );
    const inputs = connections.map(() => this.kind.input());
    const before = await this.settle();
    // The last byte of each comes later, so that all are there at the same time.
    connections.forEach(({ socket }, index) => socket.write(inputs[index].subarray(0, -1)));
    await this.rest();
    if (!this.kind.unanswered) {
      connections.forEach(({ socket }, index) => socket.write(inputs[index].subarray(-1)));
      await this.rest();
      await Promise.all(connections.map((connection) => connection.answered()));
    }
    const taken = peakOf(this.pid) - before;
    for (const { socket } of connections) socket.destroy();
    return taken;
  }
}

/** A client, whose requests the attacker answers. */
class ClientTarget extends Target {
  async begin() {
    this.server = createServer((socket) => {
      socket.on('error', () => {});
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        const id = /x-request-id: (\S+)\r\n/.exec(text);
        // The body is two bytes long.
        if (id === null || !/\r\n\r\n..$/s.test(text)) return;
        text = '';
        this.onRequest(socket, id[1]);
      });
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  async attack(count, inFlight, kind = this.kind) {
    this.onRequest = (socket, requestId) => socket.write(kind.input(requestId));
    await this.process.ask({ call: this.calls(count, inFlight) });
  }

  calls(count, inFlight) {
    const options = { recvTimeout: 50_000, ...this.kind.options };
    return { url: this.url, count, inFlight, options };
  }

  async holdAtOnce(count) {
    const waiting = [];
    let allAsked;
    const asked = new Promise((resolve) => (allAsked = resolve));
    this.onRequest = (socket, requestId) => {
      waiting.push({ socket, bytes: this.kind.input(requestId) });
      if (waiting.length === count) allAsked();
    };
    const before = await this.settle();
    const called = this.process.ask({ call: this.calls(count, count) });
    await asked;
    for (const { socket, bytes } of waiting) socket.write(bytes.subarray(0, -1));
    await this.rest();
    for (const { socket, bytes } of waiting) socket.write(bytes.subarray(-1));
    await called;
    return peakOf(this.pid) - before;
  }

  close() {
    super.close();
    this.server.close();
  }
}

class Connection {
  #received = '';
  #ended;

  /** `breaksOff`: the first answer ends it. */
  static async open(port, breaksOff = false) {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Connection(socket, breaksOff);
  }

  constructor(socket, breaksOff) {
    this.socket = socket;
    this.#ended = new Promise((resolve) => {
      const end = () => {
        socket.destroy();
        resolve();
      };
      socket.on('error', end);
      socket.on('end', end);
      socket.on('close', end);
      socket.on('data', (chunk) => {
        this.#received += chunk.toString('latin1');
        if (breaksOff || isWhole(this.#received)) end();
      });
    });
  }

  async send(bytes, size = bytes.length) {
    for (let at = 0; at < bytes.length; at += size) {
      this.socket.write(bytes.subarray(at, at + size));
      if (size < bytes.length) await new Promise(setImmediate);
    }
  }

  async answered() {
    const patience = setTimeout(() => this.socket.destroy(), 50_000);
    await this.#ended;
    clearTimeout(patience);
  }
}

function isWhole(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end));
  return text.length >= end + 4 + Number(length?.[1] ?? 0);
}
