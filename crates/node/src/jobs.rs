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

    pub(crate) fn field(&self, field: u32) -> u32 {
        self.batch.words[self.start + field as usize]
    }

    /// Infinite if the field says that there is no limit.
    pub(crate) fn limit(&self, field: u32) -> f64 {
        match self.field(field) {
            u32::MAX => f64::INFINITY,
            limit => limit.into(),
        }
    }

    /// The bytes that the fields `start` and `length` locate; `None` if they exceed the batch.
    pub(crate) fn bytes(&self, start: u32, length: u32) -> Option<&[u8]> {
        let start = self.field(start) as usize;
        self.batch.bytes.get(start..start.checked_add(self.field(length) as usize)?)
    }

    /// In base64, or empty if Rust makes it; `None` if it exceeds the batch.
    pub(crate) fn request_id(&self) -> Option<&[u8]> {
        match self.field(job::REQUEST_ID) as usize {
            0 => Some(&[]),
            start => self.batch.bytes.get(start..start.checked_add(REQUEST_ID_LENGTH)?),
        }
    }

    pub(crate) fn into_tape(self) -> JobTape {
        JobTape { frame: self.start + job::LENGTH, batch: self.batch }
    }
}

const REQUEST_ID_LENGTH: usize = 24;

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
