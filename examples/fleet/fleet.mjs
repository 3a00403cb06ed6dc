// Three servers that can be replaced one after the other.
import { once } from 'node:events';
import { startModule, stop } from './processes.mjs';

/** A server as a process. */
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

  /** Lets it end what it has begun. */
  stop() {
    return stop(this.process);
  }

  /** Ends it where it stands. */
  kill() {
    return stop(this.process, 'SIGKILL');
  }
}
