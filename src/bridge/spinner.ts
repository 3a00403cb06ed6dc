import { now, runWhenIdle } from '../platform/host.js';

/** With more calls in flight, both threads are awake anyway. */
const FEW = 4;
/** Milliseconds of other work in the turn that rule out spinning. */
const BUSY = 0.25;
/** Spinning this many milliseconds too long shows that other threads need the CPU. */
const LOST = 0.5;
/** A failure costs as much as two successes save. */
const MOST_CREDIT = 8;
const COST_OF_FAILURE = 2;
/** How many chances to skip when the credit is used up. */
const PAUSE = 256;

/**
 * Decides when the JavaScript thread spins for the next event, because waking it takes longer than
 * a small call.
 */
export class Spinner {
  readonly #wishes = new Map<string, number>();
  #limit = 0;
  #credit = MOST_CREDIT;
  #pause = 0;
  #planned = false;
  #since = 0;
  readonly #spin: (microseconds: number) => boolean;
  readonly #onEvents: () => void;
  readonly #inFlight: () => number;
  readonly #onLimit: (microseconds: number) => void;
  readonly #now: () => number;

  /**
   * @param spin spins for some microseconds at most, and returns whether there are events
   * @param inFlight how many operations Rust will end
   */
  constructor(
    spin: (microseconds: number) => boolean,
    onEvents: () => void,
    inFlight: () => number,
    onLimit: (microseconds: number) => void = () => {},
    clock: () => number = now,
  ) {
    this.#spin = spin;
    this.#onEvents = onEvents;
    this.#inFlight = inFlight;
    this.#onLimit = onLimit;
    this.#now = clock;
  }

  set(owner: string, microseconds: number): void {
    if (microseconds > 0) this.#wishes.set(owner, microseconds);
    else this.#wishes.delete(owner);
    this.#limit = Math.max(0, ...this.#wishes.values());
    this.#onLimit(this.#limit);
  }

  /** Called when all events have been handled. */
  onIdle(events: number, running: number): void {
    if (this.#limit === 0 || events > FEW || running > 0 || this.#planned) return;
    if (this.#pause > 0) {
      this.#pause--;
      return;
    }
    this.#planned = true;
    this.#since = this.#now();
    // Promises and everything else that is ready run first.
    runWhenIdle(this.#run);
  }

  readonly #run = (): void => {
    this.#planned = false;
    if (this.#inFlight() > FEW || this.#now() - this.#since > BUSY) return;
    const start = this.#now();
    const found = this.#spin(this.#limit);
    const took = this.#now() - start;
    if (took > this.#limit / 1000 + LOST) this.#credit = 0;
    else if (found) this.#credit = Math.min(this.#credit + 1, MOST_CREDIT);
    else this.#credit -= COST_OF_FAILURE;
    if (this.#credit <= 0) {
      this.#credit = 1;
      this.#pause = PAUSE;
    }
    if (found) this.#onEvents();
  };
}
