//! Reads the jobs that JavaScript has written.

use std::sync::Arc;

use backwater_etf::TapeRef;
use backwater_transport::TapeSource;

use crate::areas::Areas;
use crate::frame::AreaSlices;

/// Words before the frame of a job: words in all, kind, identifier, and thirteen more.
const JOB_WORDS: usize = 16;

/// A copy of what JavaScript had gathered: it may write the next batch while this one is worked on,
/// and nothing that it does can change what is being signed.
pub(crate) struct Batch {
    words: Vec<u32>,
    floats: Vec<f64>,
    bytes: Vec<u8>,
    /// Large binaries, which were copied when the jobs were written.
    apart: Vec<Vec<u8>>,
}

impl Batch {
    /// Copies the first so many words, doubles and bytes of the outbox.
    pub(crate) fn copy(
        outbox: &Areas,
        words: usize,
        floats: usize,
        bytes: usize,
        apart: Vec<Vec<u8>>,
    ) -> Option<Self> {
        let areas = outbox.read();
        Some(Self {
            apart,
            words: areas.words.get(..words)?.to_vec(),
            floats: areas.floats.get(..floats)?.to_vec(),
            bytes: areas.bytes.get(..bytes)?.to_vec(),
        })
    }

    fn areas(&self) -> AreaSlices<'_> {
        AreaSlices {
            words: &self.words,
            floats: &self.floats,
            bytes: &self.bytes,
            apart: Some(&self.apart),
        }
    }

    /// The jobs of the batch, in order.
    pub(crate) fn jobs(self: &Arc<Self>) -> impl Iterator<Item = Job> {
        let batch = Arc::clone(self);
        let mut at: usize = 0;
        std::iter::from_fn(move || {
            let header = batch.words.get(at..at.checked_add(JOB_WORDS)?)?;
            let job = Job { batch: Arc::clone(&batch), start: at };
            at = at.checked_add((header[0] as usize).max(JOB_WORDS))?;
            Some(job)
        })
    }
}

/// One job of a batch.
pub(crate) struct Job {
    batch: Arc<Batch>,
    start: usize,
}

/// What a job asks for. The numbers stand in src/bridge.ts too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    /// Answer a call of a server with a value.
    Return,
    /// Answer a call of a server with `{Class, Reason, Stack}`.
    Exception,
    /// Make a call by a client.
    Call,
    /// Give up a call of a client.
    Cancel,
}

impl Job {
    pub(crate) fn kind(&self) -> Option<JobKind> {
        match self.batch.words[self.start + 1] {
            1 => Some(JobKind::Return),
            2 => Some(JobKind::Exception),
            3 => Some(JobKind::Call),
            4 => Some(JobKind::Cancel),
            _ => None,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.batch.words[self.start + 2]
    }

    fn field(&self, index: usize) -> u32 {
        self.batch.words[self.start + 3 + index]
    }

    /// The call that the fields of a [`JobKind::Call`] describe; `None` when they are out of range.
    pub(crate) fn call(&self) -> Option<CallFields<'_>> {
        let start = self.field(1) as usize;
        let names = self.batch.bytes.get(start..start.checked_add(self.field(2) as usize)?)?;
        Some(CallFields {
            client: self.field(0),
            names,
            arity: u8::try_from(self.field(3)).ok()?,
            flags: self.field(4),
            connect_timeout: self.field(5),
            recv_timeout: self.field(6),
            max_encoded_result_size: self.field(7),
            max_encoded_args_size: self.field(8),
            compression_threshold: self.field(9),
            timeout: self.field(10),
            max_retries: self.field(11),
            hedge_delay: self.field(12),
        })
    }

    /// The tape of the job, sharing the batch.
    pub(crate) fn into_tape(self) -> JobTape {
        JobTape { frame: self.start + JOB_WORDS, batch: self.batch }
    }
}

/// What a [`JobKind::Call`] says besides its arguments. Times are in milliseconds, `u32::MAX` = none.
pub(crate) struct CallFields<'a> {
    pub(crate) client: u32,
    /// Module and function, with NUL between them.
    pub(crate) names: &'a [u8],
    pub(crate) arity: u8,
    pub(crate) flags: u32,
    pub(crate) connect_timeout: u32,
    pub(crate) recv_timeout: u32,
    pub(crate) max_encoded_result_size: u32,
    pub(crate) max_encoded_args_size: u32,
    pub(crate) compression_threshold: u32,
    pub(crate) timeout: u32,
    pub(crate) max_retries: u32,
    pub(crate) hedge_delay: u32,
}

/// The tape of a job, which shares the memory of its batch.
pub(crate) struct JobTape {
    batch: Arc<Batch>,
    frame: usize,
}

impl TapeSource for JobTape {
    /// The tape; an empty one, which no encoder accepts, when it does not lie within the batch.
    fn as_tape_ref(&self) -> TapeRef<'_> {
        self.batch.areas().tape(self.frame).unwrap_or_default()
    }
}
