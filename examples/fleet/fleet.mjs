// Starts and ends the servers of the fleet.
import { once } from 'node:events';
import { startModule, stop } from './processes.mjs';

export class Member {
  constructor({ host, port, secret, drainDelay, tls }) {
    Object.assign(this, { host, port, secret, drainDelay, tls });
  }

  async start() {
    const { secret, host, port, drainDelay, tls } = this;
    const text = secret.toString('base64');
    const options = JSON.stringify({ host, port, secret: text, drainDelay, tls });
    this.process = startModule(new URL('./server.mjs', import.meta.url), [options]);
    await this.process.whileRunning(once(this.process, 'message'));
    return this;
  }

  /** Drains and ends the server. */
  stop() {
    return stop(this.process);
  }

  /** Kills the server with calls in flight. */
  kill() {
    return stop(this.process, 'SIGKILL');
  }
}
