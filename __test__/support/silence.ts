/**
 * Calls `onSilence` when nothing was heard for some time. The time has two halves: a thread that was
 * busy itself finds the timer run out before it has read what came meanwhile, which it does between them.
 */
export class Silence {
  readonly #half: number;
  readonly #onSilence: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number, onSilence: () => void) {
    this.#half = milliseconds / 2;
    this.#onSilence = onSilence;
  }

  /** Something was heard, or is waited for from now on. */
  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(this.#onSilence, this.#half);
    }, this.#half);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
