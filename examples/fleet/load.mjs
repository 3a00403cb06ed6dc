// Makes calls without pause and checks every result.

export class Load {
  calls = 0;
  failures = [];
  repeated = 0;
  servers = new Map();
  #client;
  #stopped = false;
  #loops;

  /** Starts `concurrency` callers, each making one call after another with `options`. */
  constructor(client, { concurrency, options = {} }) {
    this.#client = client;
    this.#loops = Promise.all(Array.from({ length: concurrency }, () => this.#loop(options)));
  }

  /** Resolves once that many calls have been made. */
  async reach(calls) {
    while (this.calls < calls) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Resolves once the calls in flight have ended. */
  async stop() {
    this.#stopped = true;
    await this.#loops;
  }

  async #loop(options) {
    while (!this.#stopped) {
      const id = `${this.calls++}`;
      try {
        const result = await this.#client.call('counter', 'work', [id], options);
        if (result.id !== id) throw new Error(`got the answer to ${result.id} instead of ${id}`);
        if (result.isRepeated) this.repeated++;
        this.servers.set(result.server, (this.servers.get(result.server) ?? 0) + 1);
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}
