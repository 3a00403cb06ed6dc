//! `npm run numbers` generates `src/bridge/numbers.ts` and `src/codec/control.ts` from this file,
//! which `crates/etf/tests/typescript.rs` includes.

use backwater_etf::numbers;

/// Words before the tape of an event.
pub(crate) mod event {
    use backwater_etf::numbers;

    numbers! {
        pub(crate) const FIELDS {
            /// Includes the tape.
            WORDS = 0;
            KIND = 1;
            /// Identifies the call, operation or client.
            ID = 2;
            FIRST = 3;
            SECOND = 4;
            /// The slot of a message too large for the event buffers; 0 if its tape follows.
            SLOT = 5;
            /// Four words; 0 for none.
            REQUEST_ID = 6;
            REQUEST_ID_1 = 7;
            REQUEST_ID_2 = 8;
            REQUEST_ID_3 = 9;
        }
    }

    pub(crate) const LENGTH: usize = FIELDS.len();
}

numbers! {
    pub(crate) const EVENTS {
        /// First: the server; second: the function.
        EVENT_CALL = 1;
        /// First: the word where the value starts.
        EVENT_RETURN = 2;
        /// First: the word where `{Class, Reason, Stack}` starts.
        EVENT_EXCEPTION = 3;
        /// First: the argument of `takeFailure`.
        EVENT_FAILURE = 4;
        EVENT_DONE = 5;
        /// First: 1 if the caller's deadline has passed.
        EVENT_ABANDONED = 6;
        EVENT_RESOLVE = 7;
        EVENT_TIMER = 8;
        /// First: the word where the list of items starts.
        EVENT_ITEMS = 9;
        EVENT_END = 10;
        /// JavaScript may add another `JOB_ITEMS`.
        EVENT_SENT = 11;
    }
}

/// Words before the tape of a job.
pub(crate) mod job {
    use backwater_etf::numbers;

    numbers! {
        pub(crate) const FIELDS {
            WORDS = 0;
            KIND = 1;
            ID = 2;
            CLIENT = 3;
            /// In the bytes, separated by NUL.
            NAMES = 4;
            NAMES_LENGTH = 5;
            ARITY = 6;
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
            /// In the bytes: names and values alternate, separated by NUL.
            HEADERS = 16;
            HEADERS_LENGTH = 17;
            /// The first request's identifier, in the bytes, in base64; 0 if Rust makes it.
            REQUEST_ID = 18;
            /// With `FLAG_STREAM`: limit of the wait for a frame.
            IDLE_TIMEOUT = 19;
        }
    }

    pub(crate) const LENGTH: usize = FIELDS.len();
}

numbers! {
    pub(crate) const JOBS {
        JOB_RETURN = 1;
        JOB_EXCEPTION = 2;
        /// Only this job has all fields after its identifier.
        JOB_CALL = 3;
        JOB_CANCEL = 4;
        /// Alone in its batch, which may wait for the client. `JOB_END` or `JOB_EXCEPTION` ends the
        /// answer.
        JOB_ITEMS = 5;
        JOB_END = 6;
        /// Asks for the next event of a stream.
        JOB_PULL = 7;
    }
}

numbers! {
    pub(crate) const CLASSES {
        CLASS_ERROR = 0;
        CLASS_EXIT = 1;
        CLASS_THROW = 2;
    }
}

/// A word can mean one thing before a function and another after it.
pub(crate) mod encoder {
    use backwater_etf::numbers;

    numbers! {
        pub(crate) const FIELDS {
            /// Before `encode`: where the tape's header starts.
            FRAME = 0;
            /// Before `encode`, in bytes.
            MAX_SIZE = 1;
            /// Before `encode`: where in the results the encoding may start.
            RESULT = 2;
            /// After `encode`. The encoding lies in the results if it fits and has no out-of-band
            /// binaries.
            LENGTH = 0;
            /// Before `gap`: an index of an out-of-band binary. After it: where its bytes belong.
            GAP = 0;
            /// After `gap`, in bytes.
            GAP_LENGTH = 1;
        }
    }

    pub(crate) const LENGTH_OF_BLOCK: usize = 3;
}

pub(crate) mod decoder {
    use backwater_etf::numbers;

    numbers! {
        pub(crate) const FIELDS {
            /// Before `decode`: the length of a small encoding.
            LENGTH = 0;
            /// Before `decode` and `decodeBytes`.
            FLAGS = 1;
            MAX_DEPTH = 2;
            MAX_TERMS = 3;
            /// After `decode` and `decodeBytes`: 1 if the shared buffers have the whole tape, 0 if
            /// only its header.
            WHOLE = 0;
            /// Before `open`.
            SLOT = 0;
            /// Before `table`, `text8` and `text16`.
            START = 0;
            /// Before `text8` and `text16`.
            TEXT_LENGTH = 1;
        }
    }

    pub(crate) const LENGTH_OF_BLOCK: usize = 4;
}

numbers! {
    pub(crate) const FLAGS {
        FLAG_EXACT = 1;
        /// Refuse atoms that the program has not made.
        FLAG_SAFE = 2;
        /// Binaries are text if they are valid UTF-8.
        FLAG_BINARIES_AUTO = 0;
        FLAG_BINARIES_BUFFER = 4;
        FLAG_BINARIES_STRING = 8;
        FLAG_IDEMPOTENT = 16;
        FLAG_STREAM = 32;
    }
}
