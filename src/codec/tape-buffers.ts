export interface TapeBuffers {
  readonly words: Uint32Array;
  readonly floats: Float64Array;
  readonly bytes: Buffer;
}

export interface Arrival {
  /** Where its tape is, unless it is large. */
  readonly buffers: TapeBuffers;
  readonly frame: number;
  /** The number of a large message, or 0. */
  readonly large: number;
  readonly skip: number;
}
