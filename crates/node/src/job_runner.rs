use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use backwater_transport::Outcome;

use crate::clients::Clients;
use crate::errors::Failure;
use crate::event_queue::EventQueue;
use crate::events::Event;
use crate::faults;
use crate::jobs::{Job, JobBatch};
use crate::numbers::{
    JOB_CALL, JOB_CANCEL, JOB_END, JOB_EXCEPTION, JOB_ITEMS, JOB_PULL, JOB_RETURN,
};
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
            JOB_RETURN => {
                self.served.answer(id, Outcome::Return(Box::new(job.into_tape())));
            }
            JOB_EXCEPTION => {
                let class = job.exception_class();
                self.served.answer(id, Outcome::Exception(class, Box::new(job.into_tape())));
            }
            JOB_CALL => self.clients.call(job),
            JOB_CANCEL => self.clients.cancel(id),
            JOB_ITEMS => self.served.add_items(id, Box::new(job.into_tape())),
            JOB_END => self.served.end(id),
            JOB_PULL => self.clients.pull(id),
            _ => {
                self.events.push(Event::failure(
                    id,
                    Failure::internal("a bug in this library: a job has an unknown kind"),
                ));
            }
        }
    }

    fn fail(&self, kind: u32, id: u32) {
        match kind {
            // Dropping the reply answers with 500.
            JOB_RETURN | JOB_EXCEPTION | JOB_ITEMS | JOB_END => {
                drop(self.served.take(id));
            }
            JOB_CANCEL | JOB_PULL => (),
            _ => self.events.push(Event::failed_inside(id)),
        }
    }
}
