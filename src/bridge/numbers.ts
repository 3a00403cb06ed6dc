// Generated from crates/node/src/numbers.rs. Run `npm run numbers` after a change there.

// Kinds of events.
/** A peer calls a function. First: its server; second: the function. */
export const EVENT_CALL = 1;
/** A call has returned. First: the word of the term at which the value begins. */
export const EVENT_RETURN = 2;
/** A call has met an exception. First: the word at which `{Class, Reason, Stack}` begins. */
export const EVENT_EXCEPTION = 3;
/** An operation has failed. First: what `takeFailure` takes. */
export const EVENT_FAILURE = 4;
/** An operation has ended. */
export const EVENT_DONE = 5;
/** The caller of a function has gone away. First: 1 if its deadline has passed. */
export const EVENT_ABANDONED = 6;
/** A client needs its names resolved. */
export const EVENT_RESOLVE = 7;
/** A timer has run out. */
export const EVENT_TIMER = 8;
/** Items of a stream have arrived. First: the word of the term at which their list begins. */
export const EVENT_ITEMS = 9;
/** A stream has ended, and all of its items have arrived. */
export const EVENT_END = 10;
/** One `JOB_ITEMS` of a call was taken: JavaScript may add another one. */
export const EVENT_SENT = 11;

/** The words of an event's header, in order. */
export const EventWord = {
  /** How many words the event has, with its tape. */
  words: 0,
  kind: 1,
  /** Of the call, operation or client. */
  id: 2,
  first: 3,
  second: 4,
  /** The slot of a message that is too large for the event buffers; 0 if its tape follows. */
  slot: 5,
  /** The request's identifier, in four words; 0 for none. */
  requestId: 6,
  requestId1: 7,
  requestId2: 8,
  requestId3: 9,
} as const;
export const EVENT_WORDS = 10;

// Kinds of jobs.
/** Answer a call with a value. */
export const JOB_RETURN = 1;
/** Answer a call with `{Class, Reason, Stack}`. */
export const JOB_EXCEPTION = 2;
/** Make a call; only this job has all fields after its identifier. */
export const JOB_CALL = 3;
/** Cancel a call or a stream whose caller has gone away. */
export const JOB_CANCEL = 4;
/** Answer a call with items, a list; more may follow. `JOB_END` or `JOB_EXCEPTION` ends the answer. */
export const JOB_ITEMS = 5;
/** End an answer of items. */
export const JOB_END = 6;
/** Ask for the next event of a stream. */
export const JOB_PULL = 7;

// Classes of exceptions.
export const CLASS_ERROR = 0;
export const CLASS_EXIT = 1;
export const CLASS_THROW = 2;

/** The words of a job's header, in order. */
export const JobWord = {
  /** How many words the job has, with its tape. */
  words: 0,
  kind: 1,
  /** Of the call. */
  id: 2,
  client: 3,
  /** Where module and function stand in the bytes, with NUL between them. */
  names: 4,
  namesLength: 5,
  arity: 6,
  /** Of an exception: its class. */
  flags: 7,
  /** Times are in milliseconds; `u32::MAX` means none. */
  connectTimeout: 8,
  recvTimeout: 9,
  maxEncodedResultSize: 10,
  maxEncodedArgsSize: 11,
  compressionThreshold: 12,
  timeout: 13,
  maxRetries: 14,
  hedgeDelay: 15,
  /** Where headers stand in the bytes: names and values in turns, with NUL between them. */
  headers: 16,
  /** 0 for none. */
  headersLength: 17,
  /** Where the identifier of the first request stands in the bytes, in base64; 0 if Rust makes it. */
  requestId: 18,
  /** Of a call with `FLAG_STREAM`: how long it may wait for a frame. */
  idleTimeout: 19,
} as const;
export const JOB_WORDS = 20;
