use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backwater_transport::Outcome;

use crate::clients::Clients;
use crate::errors::Failure;
use crate::event_queue::EventQueue;
use crate::events::Event;
use crate::faults;
use crate::jobs::{Job, JobBatch, JobKind};
use crate::served_calls::ServedCalls;

pub(crate) struct JobRunner {
    pub(crate) events: Arc<EventQueue>,
    pub(crate) served: Arc<ServedCalls>,
    pub(crate) clients: Arc<Clients>,
}

impl JobRunner {
    /// A panic fails only its job.
    pub(crate) fn run(&self, batch: JobBatch) {
        for job in Arc::new(batch).jobs() {
            let (kind, id) = (job.kind(), job.id());
            if catch_unwind(AssertUnwindSafe(|| self.run_one(job))).is_err() {
                self.fail(kind, id);
            }
        }
    }

    fn run_one(&self, job: Job) {
        faults::pass("job");
        let id = job.id();
        match job.kind() {
            Some(JobKind::Return) => {
                self.served.answer(id, Outcome::Return(Box::new(job.into_tape())));
            }
            Some(JobKind::Exception) => {
                let class = job.exception_class();
                self.served.answer(id, Outcome::Exception(class, Box::new(job.into_tape())));
            }
            Some(JobKind::Call) => self.clients.call(job),
            Some(JobKind::Cancel) => self.clients.cancel(id),
            Some(JobKind::Items) => self.served.add_items(id, job.into_kept_tape()),
            Some(JobKind::End) => self.served.end(id),
            Some(JobKind::Pull) => self.clients.pull(id),
            None => {
                self.events.push(Event::failure(
                    id,
                    Failure::internal("a bug in this library: a job has an unknown kind"),
                ));
            }
        }
    }

    fn fail(&self, kind: Option<JobKind>, id: u32) {
        match kind {
            // Dropping the reply answers with 500.
            Some(JobKind::Return | JobKind::Exception | JobKind::Items | JobKind::End) => {
                drop(self.served.take(id));
            }
            Some(JobKind::Cancel | JobKind::Pull) => (),
            Some(JobKind::Call) | None => self.events.push(Event::failed_inside(id)),
        }
    }
}
