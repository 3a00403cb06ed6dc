/** Memory that Rust writes tapes to. */
export interface TapeBuffers {
  readonly words: Uint32Array;
  readonly floats: Float64Array;
  /** Text and names. */
  readonly bytes: Buffer;
}

/** A term that has arrived, and which part of it to read. */
export interface Arrival {
  /** Where its tape lies, unless it is large. */
  readonly buffers: TapeBuffers;
  /** The word of `buffers` at which the tape's header begins. */
  readonly frame: number;
  /** The number of a large message, which a decoder reads in parts; 0 = the tape lies in `buffers`. */
  readonly large: number;
  /** How many words of the term to pass over: 0, or the place of an element to read alone. */
  readonly skip: number;
}
