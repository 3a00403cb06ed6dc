/** The memory that a tape lies in. */
export interface Areas {
  readonly words: Uint32Array;
  readonly floats: Float64Array;
  /** Text and names. */
  readonly bytes: Buffer;
  /** What offsets of binaries and big integers point into. */
  source: Uint8Array;
  /** Where the rest of the tape comes from when the areas have no more than its header. */
  readonly parts: Parts | undefined;
}

/** A tape that is too large for the areas, and is read in parts. */
export interface Parts {
  /** Writes the next part to the begin of the words and the doubles. */
  nextPart(): void;
  /** Writes the lengths of atoms and the shapes from entry `start` on over the words. */
  table(start: number): void;
  /** All names. */
  names(): string;
  /** Text of the Latin-1 area. */
  text8(start: number, length: number): string;
  /** Text of the UTF-16 area; place and length are in bytes. */
  text16(start: number, length: number): string;
  /** Nothing more is read. */
  close(): void;
}
