//! The numbers of events and jobs. `src/bridge/numbers.ts` is generated from them by
//! `crates/etf/tests/typescript.rs`, which includes this file.

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
        /// Cancel a call whose caller has gone away.
        JOB_CANCEL = 4;
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
