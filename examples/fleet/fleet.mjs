// Three servers that can be replaced one after the other.
import { once } from 'node:events';
import { startModule, stop } from './processes.mjs';

/** A server as a process. */
export class Member {
  constructor({ host, port, secret, drainDelay }) {
    Object.assign(this, { host, port, secret, drainDelay });
  }

  async start() {
    const { host, port, secret, drainDelay } = this;
    const options = JSON.stringify({ host, port, secret: secret.toString('base64'), drainDelay });
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
