// Calls without pause, each of which is looked at.

/** Counts what became of calls. */
export class Load {
  calls = 0;
  failures = [];
  repeated = 0;
  servers = new Map();
  #client;
  #stopped = false;
  #loops;

  /** `concurrency` callers, each of which makes one call after the other; `options` are those of calls. */
  constructor(client, { concurrency, options = {} }) {
    this.#client = client;
    this.#loops = Promise.all(Array.from({ length: concurrency }, () => this.#loop(options)));
  }

  /** Resolves when so many calls were made. */
  async reach(calls) {
    while (this.calls < calls) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Ends when the calls under way have ended. */
  async stop() {
    this.#stopped = true;
    await this.#loops;
  }

  async #loop(options) {
    while (!this.#stopped) {
      const id = `${this.calls++}`;
      try {
        const result = await this.#client.call('counter', 'work', [id], options);
        if (result.id !== id) throw new Error(`the answer to ${result.id} instead of ${id}`);
        if (result.isRepeated) this.repeated++;
        this.servers.set(result.server, (this.servers.get(result.server) ?? 0) + 1);
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}
