//! The state of one JavaScript thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::{Env, Error, Result, Status};

use crate::clients::Clients;
use crate::codec::encoder::SharedEncoder;
use crate::delivery::{self, Aside};
use crate::errors::Failure;
use crate::event_loop::EventLoop;
use crate::event_queue::{EventQueue, Wake};
use crate::events::{LargeMessages, Message};
use crate::io_threads;
use crate::job_runner::JobRunner;
use crate::jobs::JobBatch;
use crate::served_calls::ServedCalls;
use crate::servers::Servers;
use crate::shared_buffers::SharedBuffers;
use crate::timers::Timers;
use crate::workers::Workers;

/// The spin limit where the event loop's work is not visible.
const MAX_BLIND_SPIN: Duration = Duration::from_micros(50);

pub(crate) struct Environment {
    pub(crate) events: Arc<EventQueue>,
    pub(crate) served: Arc<ServedCalls>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) workers: Workers,
    pub(crate) timers: Arc<Timers>,
    pub(crate) encoder: Rc<SharedEncoder>,
    jobs: Arc<JobRunner>,
    pub(crate) job_buffers: RefCell<Option<SharedBuffers>>,
    out_of_band: RefCell<Vec<Vec<u8>>>,
    pub(crate) event_buffers: RefCell<Option<SharedBuffers>>,
    pub(crate) large: LargeMessages,
    failures: RefCell<Vec<Option<Box<Failure>>>>,
    event_loop: Option<EventLoop>,
}

impl Environment {
    pub(crate) fn new(env: &Env, wake: Wake, libuv: bool) -> Result<Rc<Self>> {
        let events = Arc::new(EventQueue::new(wake));
        let served = Arc::new(ServedCalls::new(&events));
        let clients = Arc::new(Clients::new(&events));
        let environment = Rc::new(Self {
            jobs: Arc::new(JobRunner {
                events: Arc::clone(&events),
                served: Arc::clone(&served),
                clients: Arc::clone(&clients),
            }),
            servers: Arc::new(Servers::new(&events, &served)),
            workers: Workers::new(&events, &served),
            timers: Arc::new(Timers::new(&events)),
            events,
            served,
            clients,
            encoder: Rc::default(),
            job_buffers: RefCell::default(),
            out_of_band: RefCell::default(),
            event_buffers: RefCell::default(),
            large: Rc::default(),
            failures: RefCell::default(),
            event_loop: libuv.then(|| EventLoop::of(env)).flatten(),
        });
        io_threads::register(&environment.events);
        env.add_env_cleanup_hook(Rc::clone(&environment), |environment| environment.tear_down())?;
        Ok(environment)
    }

    pub(crate) fn put_out_of_band(&self, index: usize, bytes: &[u8]) {
        let mut binaries = self.out_of_band.borrow_mut();
        binaries.truncate(index);
        binaries.push(bytes.to_vec());
    }

    pub(crate) fn flush(
        &self,
        words: usize,
        floats: usize,
        bytes: usize,
        binaries: usize,
    ) -> Result<()> {
        let mut out_of_band = self.out_of_band.take();
        out_of_band.truncate(binaries);
        let buffers = self.job_buffers.borrow();
        let buffers = buffers.as_ref().ok_or_else(detached)?;
        let batch = JobBatch::copy(buffers, words, floats, bytes, out_of_band)
            .ok_or_else(|| Error::new(Status::InvalidArg, "the batch exceeds the job buffers"))?;
        let jobs = Arc::clone(&self.jobs);
        io_threads::spawn(move || async move { jobs.run(batch) })
    }

    pub(crate) fn drain(&self) -> Result<u32> {
        self.events.looked();
        if let Some(call) = self.workers.take() {
            self.events.push(call);
        }
        let mut buffers = self.event_buffers.borrow_mut();
        let buffers = buffers.as_mut().ok_or_else(detached)?;
        let mut aside = Aside {
            large: &mut self.large.borrow_mut(),
            failures: &mut self.failures.borrow_mut(),
        };
        aside.large.clear();
        aside.failures.clear();
        let mut events = self.events.fetch();
        let delivered = delivery::deliver(&mut events, &self.served, buffers, &mut aside);
        self.events.taken(&events);
        Ok(delivered)
    }

    pub(crate) fn take_failure(&self, index: usize) -> Option<Failure> {
        self.failures.borrow_mut().get_mut(index)?.take().map(|failure| *failure)
    }

    pub(crate) fn wake_later(&self) -> Result<()> {
        self.events.announce();
        io_threads::wake(&self.events)
    }

    pub(crate) fn spin(&self, limit: Duration) -> bool {
        match &self.event_loop {
            Some(event_loop) => self.events.spin(limit, || event_loop.has_work()),
            None => self.events.spin(limit.min(MAX_BLIND_SPIN), || false),
        }
    }

    pub(crate) fn add_large_message(&self, message: Message) -> u32 {
        let mut large = self.large.borrow_mut();
        // Frees taken messages even if no events come for a long time.
        while large.pop_if(|message| message.is_none()).is_some() {}
        large.push(Some(message));
        large.len() as u32
    }

    /// Also answers callers whose calls can no longer be served.
    fn tear_down(&self) {
        self.events.close();
        io_threads::set_spin(&self.events, 0);
        self.servers.close_all();
        self.workers.leave_all();
        self.served.fail_all();
        self.timers.stop_all();
        self.clients.close_all();
    }
}

fn detached() -> Error {
    Error::from_reason("the bridge has no memory attached")
}
