use std::sync::Arc;

use backwater_etf::TapeRef;
use backwater_transport::{ExceptionClass, TapeSource};

use crate::frame::BufferSlices;
use crate::numbers::{CLASS_EXIT, CLASS_THROW, job};
use crate::shared_buffers::SharedBuffers;

/// A copy, so JavaScript can write the next batch, and cannot change what is being signed.
pub(crate) struct JobBatch {
    words: Vec<u32>,
    floats: Vec<f64>,
    bytes: Vec<u8>,
    out_of_band: Vec<Vec<u8>>,
}

impl JobBatch {
    pub(crate) fn copy(
        buffers: &SharedBuffers,
        words: usize,
        floats: usize,
        bytes: usize,
        out_of_band: Vec<Vec<u8>>,
    ) -> Option<Self> {
        let slices = buffers.read();
        Some(Self {
            out_of_band,
            words: slices.words.get(..words)?.to_vec(),
            floats: slices.floats.get(..floats)?.to_vec(),
            bytes: slices.bytes.get(..bytes)?.to_vec(),
        })
    }

    fn slices(&self) -> BufferSlices<'_> {
        BufferSlices {
            words: &self.words,
            floats: &self.floats,
            bytes: &self.bytes,
            out_of_band: Some(&self.out_of_band),
        }
    }

    pub(crate) fn jobs(self: &Arc<Self>) -> impl Iterator<Item = Job> {
        let batch = Arc::clone(self);
        let mut at: usize = 0;
        std::iter::from_fn(move || {
            let header = batch.words.get(at..at.checked_add(job::LENGTH)?)?;
            let job = Job { batch: Arc::clone(&batch), start: at };
            at = at.checked_add((header[job::WORDS as usize] as usize).max(job::LENGTH))?;
            Some(job)
        })
    }
}

pub(crate) struct Job {
    batch: Arc<JobBatch>,
    start: usize,
}

impl Job {
    /// One of `numbers::JOBS`.
    pub(crate) fn kind(&self) -> u32 {
        self.field(job::KIND)
    }

    pub(crate) fn id(&self) -> u32 {
        self.field(job::ID)
    }

    pub(crate) fn exception_class(&self) -> ExceptionClass {
        match self.field(job::FLAGS) {
            CLASS_EXIT => ExceptionClass::Exit,
            CLASS_THROW => ExceptionClass::Throw,
            _ => ExceptionClass::Error,
        }
    }

    fn field(&self, field: u32) -> u32 {
        self.batch.words[self.start + field as usize]
    }

    pub(crate) fn call(&self) -> Option<CallFields<'_>> {
        let start = self.field(job::NAMES) as usize;
        let end = start.checked_add(self.field(job::NAMES_LENGTH) as usize)?;
        let headers = self.field(job::HEADERS) as usize;
        let end_of_headers = headers.checked_add(self.field(job::HEADERS_LENGTH) as usize)?;
        Some(CallFields {
            client: self.field(job::CLIENT),
            names: self.batch.bytes.get(start..end)?,
            headers: self.batch.bytes.get(headers..end_of_headers)?,
            request_id: match self.field(job::REQUEST_ID) as usize {
                0 => None,
                start => {
                    let end = start.checked_add(REQUEST_ID_LENGTH)?;
                    Some(self.batch.bytes.get(start..end)?)
                }
            },
            arity: u8::try_from(self.field(job::ARITY)).ok()?,
            flags: self.field(job::FLAGS),
            connect_timeout: self.field(job::CONNECT_TIMEOUT),
            recv_timeout: self.field(job::RECV_TIMEOUT),
            max_encoded_result_size: self.field(job::MAX_ENCODED_RESULT_SIZE),
            max_encoded_args_size: self.field(job::MAX_ENCODED_ARGS_SIZE),
            compression_threshold: self.field(job::COMPRESSION_THRESHOLD),
            timeout: self.field(job::TIMEOUT),
            max_retries: self.field(job::MAX_RETRIES),
            hedge_delay: self.field(job::HEDGE_DELAY),
            idle_timeout: self.field(job::IDLE_TIMEOUT),
        })
    }

    pub(crate) fn into_tape(self) -> JobTape {
        JobTape { frame: self.start + job::LENGTH, batch: self.batch }
    }
}

const REQUEST_ID_LENGTH: usize = 24;

/// Times are in milliseconds; `u32::MAX` means none.
pub(crate) struct CallFields<'a> {
    pub(crate) client: u32,
    pub(crate) names: &'a [u8],
    pub(crate) headers: &'a [u8],
    pub(crate) request_id: Option<&'a [u8]>,
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
    pub(crate) idle_timeout: u32,
}

pub(crate) fn unlimited(word: u32) -> f64 {
    if word == u32::MAX { f64::INFINITY } else { word.into() }
}

pub(crate) struct JobTape {
    batch: Arc<JobBatch>,
    frame: usize,
}

impl TapeSource for JobTape {
    /// A tape that exceeds the batch becomes an empty one, which the encoder refuses.
    fn as_tape_ref(&self) -> TapeRef<'_> {
        self.batch.slices().tape(self.frame).unwrap_or_default()
    }
}
