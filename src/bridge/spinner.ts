import { now, runWhenIdle } from '../platform/host.js';

/** More calls in flight than this keep both threads busy: a thread that is awake need not spin. */
const FEW = 4;
/**
 * When more time than this has passed in the rest of the event loop's turn, in milliseconds, it has
 * other work to do, which is not to be held up.
 */
const BUSY = 0.25;
/**
 * When spinning takes so much longer than it should, in milliseconds, others need the CPU, and whoever
 * lets them go first waits for their turn to end.
 */
const LOST = 0.5;
/** Successes that are remembered. A failure counts for two: it costs what two successes save. */
const MOST_CREDIT = 8;
const COST_OF_FAILURE = 2;
/** Without credit, it tries again after this many chances. */
const PAUSE = 256;

/**
 * Decides when the JavaScript thread spins for the next event instead of going to sleep: waking
 * a sleeping thread takes longer than a small call does. It stops when that does not pay, so a process
 * that is called now and then does not burn CPU.
 */
export class Spinner {
  /** How long to spin for each server and client that wants to, in microseconds. */
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
   * @param spin spins for events for at most a number of microseconds, and returns whether there are any
   * @param onEvents takes them
   * @param inFlight how many operations Rust is to tell the end of
   * @param onLimit gets the longest time to spin, in microseconds, whenever it may have changed
   * @param clock tells the time in milliseconds
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

  /** Sets how long is spun for a server or client, in microseconds; 0 for no longer at all. */
  set(owner: string, microseconds: number): void {
    if (microseconds > 0) this.#wishes.set(owner, microseconds);
    else this.#wishes.delete(owner);
    this.#limit = Math.max(0, ...this.#wishes.values());
    this.#onLimit(this.#limit);
  }

  /**
   * Called when events have been dealt with and there are no more.
   *
   * @param events how many there were
   * @param running how many calls have begun and not ended: theirs is the time of this thread
   */
  onIdle(events: number, running: number): void {
    if (this.#limit === 0 || events > FEW || running > 0 || this.#planned) return;
    if (this.#pause > 0) {
      this.#pause--;
      return;
    }
    this.#planned = true;
    this.#since = this.#now();
    // After whatever else is ready in this turn of the event loop; promises have run by then.
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
