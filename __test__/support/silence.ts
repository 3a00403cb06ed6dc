/**
 * Calls `onSilence` after some time without data, in two halves, because a busy thread sees the
 * timer expire before it reads what arrived meanwhile.
 */
export class Silence {
  readonly #half: number;
  readonly #onSilence: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number, onSilence: () => void) {
    this.#half = milliseconds / 2;
    this.#onSilence = onSilence;
  }

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
