//! The numbers of events, jobs, control blocks and flags. `crates/etf/tests/typescript.rs` includes this file and
//! generates `src/bridge/numbers.ts` and `src/codec/control.ts` from it.

use backwater_etf::numbers;

/// Words before the tape of an event.
pub(crate) mod event {
    use backwater_etf::numbers;

    numbers! {
        /// The words of an event's header, in order.
        pub(crate) const FIELDS {
            /// How many words the event has, with its tape.
            WORDS = 0;
            KIND = 1;
            /// Of the call, operation or client.
            ID = 2;
            FIRST = 3;
            SECOND = 4;
            /// The slot of a message that is too large for the event buffers; 0 if its tape follows.
            SLOT = 5;
            /// The request's identifier, in four words; 0 for none.
            REQUEST_ID = 6;
            REQUEST_ID_1 = 7;
            REQUEST_ID_2 = 8;
            REQUEST_ID_3 = 9;
        }
    }

    /// The length of the header.
    pub(crate) const LENGTH: usize = FIELDS.len();
}

numbers! {
    /// Kinds of events.
    pub(crate) const EVENTS {
        /// A peer calls a function. First: its server; second: the function.
        EVENT_CALL = 1;
        /// A call has returned. First: the word of the term at which the value begins.
        EVENT_RETURN = 2;
        /// A call has met an exception. First: the word at which `{Class, Reason, Stack}` begins.
        EVENT_EXCEPTION = 3;
        /// An operation has failed. First: what `takeFailure` takes.
        EVENT_FAILURE = 4;
        /// An operation has ended.
        EVENT_DONE = 5;
        /// The caller of a function has gone away. First: 1 if its deadline has passed.
        EVENT_ABANDONED = 6;
        /// A client needs its names resolved.
        EVENT_RESOLVE = 7;
        /// A timer has run out.
        EVENT_TIMER = 8;
        /// Items of a stream have arrived. First: the word of the term at which their list begins.
        EVENT_ITEMS = 9;
        /// A stream has ended, and all of its items have arrived.
        EVENT_END = 10;
        /// One `JOB_ITEMS` of a call was taken: JavaScript may add another one.
        EVENT_SENT = 11;
    }
}

/// Words before the tape of a job.
pub(crate) mod job {
    use backwater_etf::numbers;

    numbers! {
        /// The words of a job's header, in order.
        pub(crate) const FIELDS {
            /// How many words the job has, with its tape.
            WORDS = 0;
            KIND = 1;
            /// Of the call.
            ID = 2;
            CLIENT = 3;
            /// Where module and function stand in the bytes, with NUL between them.
            NAMES = 4;
            NAMES_LENGTH = 5;
            ARITY = 6;
            /// Of an exception: its class.
            FLAGS = 7;
            /// Times are in milliseconds; `u32::MAX` means none.
            CONNECT_TIMEOUT = 8;
            RECV_TIMEOUT = 9;
            MAX_ENCODED_RESULT_SIZE = 10;
            MAX_ENCODED_ARGS_SIZE = 11;
            COMPRESSION_THRESHOLD = 12;
            TIMEOUT = 13;
            MAX_RETRIES = 14;
            HEDGE_DELAY = 15;
            /// Where headers stand in the bytes: names and values in turns, with NUL between them.
            HEADERS = 16;
            /// 0 for none.
            HEADERS_LENGTH = 17;
            /// Where the identifier of the first request stands in the bytes, in base64; 0 if Rust makes it.
            REQUEST_ID = 18;
            /// Of a call with `FLAG_STREAM`: how long it may wait for a frame.
            IDLE_TIMEOUT = 19;
        }
    }

    /// The length of the header.
    pub(crate) const LENGTH: usize = FIELDS.len();
}

numbers! {
    /// Kinds of jobs.
    pub(crate) const JOBS {
        /// Answer a call with a value.
        JOB_RETURN = 1;
        /// Answer a call with `{Class, Reason, Stack}`.
        JOB_EXCEPTION = 2;
        /// Make a call; only this job has all fields after its identifier.
        JOB_CALL = 3;
        /// Cancel a call or a stream whose caller has gone away.
        JOB_CANCEL = 4;
        /// Answer a call with items, a list; more may follow. `JOB_END` or `JOB_EXCEPTION` ends the answer.
        JOB_ITEMS = 5;
        /// End an answer of items.
        JOB_END = 6;
        /// Ask for the next event of a stream.
        JOB_PULL = 7;
    }
}

numbers! {
    /// Classes of exceptions.
    pub(crate) const CLASSES {
        CLASS_ERROR = 0;
        CLASS_EXIT = 1;
        CLASS_THROW = 2;
    }
}

/// Words of the control block of an encoder. The same word may have one meaning before a function and another
/// one after it.
pub(crate) mod encoder {
    use backwater_etf::numbers;

    numbers! {
        /// The words of an encoder's control block.
        pub(crate) const FIELDS {
            /// Before `encode`: the word at which the tape's header begins.
            FRAME = 0;
            /// Before `encode`: the most bytes that the encoding may have.
            MAX_SIZE = 1;
            /// Before `encode`: where in the memory for results the encoding may begin.
            RESULT = 2;
            /// After `encode`: the length of the encoding. It lies in the memory for results if it fits there and
            /// has no binaries out of band.
            LENGTH = 0;
            /// Before `gap`: the index of a binary out of band. After it: the place of its bytes.
            GAP = 0;
            /// After `gap`: the number of its bytes.
            GAP_LENGTH = 1;
        }
    }

    /// The length of the block.
    pub(crate) const LENGTH_OF_BLOCK: usize = 3;
}

/// Words of the control block of a decoder, like those of an encoder.
pub(crate) mod decoder {
    use backwater_etf::numbers;

    numbers! {
        /// The words of a decoder's control block.
        pub(crate) const FIELDS {
            /// Before `decode`: the length of a small encoding.
            LENGTH = 0;
            /// Before `decode` and `decodeBytes`: see the flags.
            FLAGS = 1;
            MAX_DEPTH = 2;
            MAX_TERMS = 3;
            /// After `decode` and `decodeBytes`: 1 if the whole tape lies in the shared buffers, 0 if only its
            /// header does.
            WHOLE = 0;
            /// Before `open`: the slot of a large message.
            SLOT = 0;
            /// Before `table`, `text8` and `text16`: where to begin.
            START = 0;
            /// Before `text8` and `text16`: the length of the text.
            TEXT_LENGTH = 1;
        }
    }

    /// The length of the block.
    pub(crate) const LENGTH_OF_BLOCK: usize = 4;
}

numbers! {
    /// How to decode and to call.
    pub(crate) const FLAGS {
        /// Values keep every type.
        FLAG_EXACT = 1;
        /// Refuse atoms that the program has not made.
        FLAG_SAFE = 2;
        /// Binaries are text if they are valid UTF-8.
        FLAG_BINARIES_AUTO = 0;
        /// Binaries are bytes.
        FLAG_BINARIES_BUFFER = 4;
        /// Binaries are text.
        FLAG_BINARIES_STRING = 8;
        /// The call may be repeated.
        FLAG_IDEMPOTENT = 16;
        /// The answer may be a stream.
        FLAG_STREAM = 32;
    }
}
