//! Spinning, because waking a sleeping thread takes longer than a small call.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// More calls in flight keep their threads awake anyway.
const FEW: usize = 4;
/// Successes to remember. A failure costs as much as two successes save.
const MOST_CREDIT: u32 = 8;
const COST_OF_FAILURE: u32 = 2;
const PAUSE: u32 = 256;
/// A longer gap between checks means that others need the CPU.
const LOST: Duration = Duration::from_micros(500);

/// Allows spinning while it helps, so that an idle thread does not burn CPU.
#[derive(Clone, Copy, Debug)]
struct Credit {
    credit: u32,
    pause: u32,
}

impl Default for Credit {
    fn default() -> Self {
        Self { credit: MOST_CREDIT, pause: 0 }
    }
}

impl Credit {
    fn take_chance(&mut self) -> bool {
        if self.pause == 0 {
            return true;
        }
        self.pause -= 1;
        false
    }

    fn note(&mut self, end: End) {
        match end {
            End::Event => self.credit = (self.credit + 1).min(MOST_CREDIT),
            End::Nothing => self.credit = self.credit.saturating_sub(COST_OF_FAILURE),
            End::Lost => self.credit = 0,
        }
        if self.credit == 0 {
            self.credit = 1;
            self.pause = PAUSE;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Event,
    Nothing,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    called: bool,
    events: u32,
    end: Instant,
    last_look: Instant,
}

#[derive(Default)]
struct Waits {
    under_way: Arc<AtomicUsize>,
    /// The most calls since the last decision.
    most: Cell<usize>,
    events: Cell<u32>,
    wait: Cell<Option<Wait>>,
    /// Between calls and during calls, whose waits may differ in length.
    credits: RefCell<[Credit; 2]>,
}

thread_local! {
    static WAITS: Waits = Waits::default();
}

#[derive(Debug)]
pub(crate) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    pub(crate) fn begin() -> Self {
        WAITS.with(|waits| {
            let others = waits.under_way.fetch_add(1, Ordering::Relaxed);
            waits.most.set(waits.most.get().max(others + 1));
            Self(Arc::clone(&waits.under_way))
        })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn note_event() {
    WAITS.with(|waits| waits.events.set(waits.events.get().wrapping_add(1)));
}

pub(crate) fn begin(limit: Duration) -> bool {
    WAITS.with(|waits| {
        let under_way = waits.under_way.load(Ordering::Relaxed);
        let called = under_way > 0;
        // Calls come and go in bursts, so the current number says nothing.
        let most = waits.most.replace(under_way);
        if limit.is_zero() || most > FEW || waits.wait.get().is_some() {
            return false;
        }
        if !waits.credits.borrow_mut()[usize::from(called)].take_chance() {
            return false;
        }
        let now = Instant::now();
        let events = waits.events.get();
        waits.wait.set(Some(Wait { called, events, end: now + limit, last_look: now }));
        true
    })
}

pub(crate) fn is_waiting() -> bool {
    WAITS.with(|waits| waits.wait.get().is_some())
}

/// `is_over` means that another thread has sent something.
pub(crate) fn goes_on(is_over: bool) -> bool {
    WAITS.with(|waits| {
        let Some(wait) = waits.wait.get() else { return false };
        let end = if is_over || wait.events != waits.events.get() {
            End::Event
        } else {
            let now = Instant::now();
            if now.duration_since(wait.last_look) > LOST {
                End::Lost
            } else if now >= wait.end {
                End::Nothing
            } else {
                waits.wait.set(Some(Wait { last_look: now, ..wait }));
                return true;
            }
        };
        waits.wait.set(None);
        waits.credits.borrow_mut()[usize::from(wait.called)].note(end);
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(credit: &mut Credit, chances: u32, end: End) -> u32 {
        let mut count = 0;
        for _ in 0..chances {
            if credit.take_chance() {
                count += 1;
                credit.note(end);
            }
        }
        count
    }

    #[test]
    fn spinning_continues_while_it_helps() {
        let mut credit = Credit::default();
        assert_eq!(waits(&mut credit, 1000, End::Event), 1000);
    }

    #[test]
    fn useless_spinning_stops_and_is_retried_rarely() {
        let mut credit = Credit::default();
        assert_eq!(waits(&mut credit, 250, End::Nothing), 4);
        let later = waits(&mut credit, 10 * (PAUSE + 1), End::Nothing);
        assert!((9..=11).contains(&later), "{later}");
        assert!(waits(&mut credit, 2 * PAUSE, End::Event) >= PAUSE);
    }

    #[test]
    fn spinning_stops_when_others_need_the_processor() {
        let mut credit = Credit::default();
        assert_eq!(waits(&mut credit, 250, End::Lost), 1);
    }

    #[test]
    fn a_thread_spins_only_with_few_calls() {
        let mut calls: Vec<_> = (0..FEW).map(|_| UnderWay::begin()).collect();
        assert!(begin(Duration::from_secs(3600)));
        assert!(is_waiting());
        assert!(goes_on(false));
        note_event();
        assert!(!goes_on(false));
        assert!(!is_waiting());
        calls.push(UnderWay::begin());
        assert!(!begin(Duration::from_secs(3600)));
        assert!(!begin(Duration::from_secs(3600)));
        calls.clear();
        assert!(!begin(Duration::from_secs(3600)), "the calls have only just ended");
        assert!(begin(Duration::from_secs(3600)));
        assert!(!goes_on(true));
        assert!(!begin(Duration::ZERO));
    }
}
