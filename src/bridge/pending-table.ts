interface Entry<T> {
  readonly id: number;
  readonly value: T;
}

/**
 * Replaces a Map, which would copy itself every few calls. A copy in V8's old generation keeps later copies
 * and their calls alive until a major collection.
 */
export class PendingTable<T> {
  /** Indexed by the lowest bits of the number. The length is a power of two. */
  #entries: (Entry<T> | undefined)[] = emptyEntries(256);
  #nextId = 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  newId(): number {
    let id: number;
    do {
      id = this.#nextId;
      this.#nextId = (id + 1) >>> 0 || 1;
    } while (this.#entries[this.#placeOf(id)] !== undefined);
    return id;
  }

  set(id: number, value: T): void {
    // An old operation may occupy the place.
    while (this.#size * 2 >= this.#entries.length || this.#entries[this.#placeOf(id)]) this.#grow();
    this.#entries[this.#placeOf(id)] = { id, value };
    this.#size++;
  }

  get(id: number): T | undefined {
    const entry = this.#entries[this.#placeOf(id)];
    return entry?.id === id ? entry.value : undefined;
  }

  take(id: number): T | undefined {
    const place = this.#placeOf(id);
    const entry = this.#entries[place];
    if (entry?.id !== id) return undefined;
    this.#entries[place] = undefined;
    this.#size--;
    return entry.value;
  }

  ids(): number[] {
    return this.#entries.flatMap((entry) => (entry === undefined ? [] : [entry.id]));
  }

  #placeOf(id: number): number {
    return id & (this.#entries.length - 1);
  }

  #grow(): void {
    const entries = this.#entries;
    this.#entries = emptyEntries<T>(entries.length * 2);
    for (const entry of entries) {
      if (entry !== undefined) this.#entries[this.#placeOf(entry.id)] = entry;
    }
  }
}

function emptyEntries<T>(length: number): (Entry<T> | undefined)[] {
  return new Array<Entry<T> | undefined>(length).fill(undefined);
}
