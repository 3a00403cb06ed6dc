pub(crate) mod ended;
pub(crate) mod team;
pub(crate) mod worker;

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use napi::{Error, Result};

use crate::event_queue::EventQueue;
use crate::events::Event;
use crate::served_calls::ServedCalls;
use crate::workers::team::Team;
use crate::workers::worker::Worker;

/// One member for each server of another thread that this thread helps to serve.
pub(crate) struct Workers {
    events: Arc<EventQueue>,
    served: Arc<ServedCalls>,
    members: RefCell<Vec<Member>>,
}

struct Member {
    team: Weak<Team>,
    worker: Arc<Worker>,
}

impl Member {
    fn take(&self) -> Option<Event> {
        loop {
            let own = self.worker.dequeue();
            let call = own.or_else(|| self.team.upgrade()?.steal(&self.worker))?;
            if let Some(event) = self.worker.start(call) {
                return Some(event);
            }
        }
    }
}

impl Workers {
    pub(crate) fn new(events: &Arc<EventQueue>, served: &Arc<ServedCalls>) -> Self {
        Self { events: Arc::clone(events), served: Arc::clone(served), members: RefCell::default() }
    }

    pub(crate) fn join(&self, server: u32, slot: u32) -> Result<()> {
        let team = Team::find(server);
        let team = team.ok_or_else(|| Error::from_reason("the server is closed"))?;
        let worker = Arc::new(Worker::new(server, slot, &self.events, &self.served));
        team.join(&worker);
        self.members.borrow_mut().push(Member { team: Arc::downgrade(&team), worker });
        Ok(())
    }

    pub(crate) fn take(&self) -> Option<Event> {
        self.members.borrow().iter().find_map(Member::take)
    }

    pub(crate) fn leave_all(&self) {
        for Member { team, worker } in self.members.take() {
            if let Some(team) = team.upgrade() {
                team.leave(&worker);
            }
        }
    }
}
