import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

export type FaultKind = 'cut' | 'reset' | 'stall' | 'split' | 'corrupt';

export interface Fault {
  readonly kind: FaultKind;
  /** `request` means bytes from the client. */
  readonly direction: 'request' | 'response';
  readonly offset: number;
}

/**
 * A TCP proxy that causes one fault, on the first connection after {@link FaultyProxy.next} was
 * set.
 */
export class FaultyProxy {
  next: Fault | undefined;
  carried = { request: 0, response: 0 };
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

  /** Forgets faults that have not occurred, because TLS handshakes differ in length. */
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
