import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** What happens to the bytes of a direction from a byte on. */
export type FaultKind = 'cut' | 'reset' | 'stall' | 'split' | 'corrupt';

/** What the proxy does to the next connection. */
export interface Fault {
  readonly kind: FaultKind;
  /** `request`: bytes from the client; `response`: bytes to it. */
  readonly direction: 'request' | 'response';
  /** The first byte concerned. */
  readonly offset: number;
}

/**
 * A TCP proxy in front of a server that does one thing wrong on one connection: the one that is made
 * after {@link FaultyProxy.next} was set. All others it leaves alone.
 */
export class FaultyProxy {
  next: Fault | undefined;
  /** How many bytes the latest connection has carried each way. */
  carried = { request: 0, response: 0 };
  /** The fault to cause on open connections. */
  #pending: { fault: Fault | undefined }[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const planned = { fault: this.next };
      this.next = undefined;
      this.#pending.push(planned);
      const carried = (this.carried = { request: 0, response: 0 });
      const server = connect(target, '127.0.0.1');
      for (const socket of [client, server]) {
        socket.setNoDelay(true);
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      forward(client, server, 'request', planned, carried);
      forward(server, client, 'response', planned, carried);
    });
  }

  static async start(target: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return address.port;
  }

  /** Lets pass what has not gone wrong yet: handshakes of TLS are not all of the same length. */
  calm(): void {
    for (const planned of this.#pending.splice(0)) planned.fault = undefined;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function forward(
  from: Socket,
  to: Socket,
  direction: Fault['direction'],
  planned: { readonly fault: Fault | undefined },
  carried: Record<Fault['direction'], number>,
): void {
  from.on('end', () => to.end());
  from.on('data', (chunk: Buffer) => {
    const own = planned.fault?.direction === direction ? planned.fault : undefined;
    const start = carried[direction];
    carried[direction] += chunk.length;
    const at = own === undefined ? -1 : own.offset - start;
    if (own === undefined || at >= chunk.length || (at < 0 && own.kind !== 'stall')) {
      to.write(chunk);
      return;
    }
    const before = chunk.subarray(0, Math.max(at, 0));
    switch (own.kind) {
      case 'cut':
        to.end(before, () => from.destroy());
        return;
      case 'reset':
        to.write(before, () => {
          to.resetAndDestroy();
          from.resetAndDestroy();
        });
        return;
      case 'stall':
        if (at >= 0) to.write(before);
        return;
      case 'split':
        from.pause();
        to.write(before, () => {
          setImmediate(() => {
            to.write(chunk.subarray(at));
            from.resume();
          });
        });
        return;
      case 'corrupt': {
        const damaged = Buffer.from(chunk);
        damaged[at]! ^= 1;
        to.write(damaged);
      }
    }
  });
}
