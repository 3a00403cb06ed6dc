/** Memory that Rust writes tapes to. */
export interface TapeBuffers {
  readonly words: Uint32Array;
  readonly floats: Float64Array;
  readonly bytes: Buffer;
}

/** A term that has arrived, and which part of it to read. */
export interface Arrival {
  /** Where its tape is, unless it is large. */
  readonly buffers: TapeBuffers;
  /** The first word of the tape's header. */
  readonly frame: number;
  /** The number of a large message, which is read in parts; 0 = the tape is in `buffers`. */
  readonly large: number;
  /** How many words of the term to skip. */
  readonly skip: number;
}
