//! Writes events to the buffers that JavaScript reads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use backwater_etf::Tape;
use backwater_transport::tape_pool;

use crate::errors::Failure;
use crate::events::{Content, Event, Message, RequestId};
use crate::faults;
use crate::frame::{BufferSlicesMut, Extent, extent};
use crate::numbers::{EVENT_CALL, EVENT_EXCEPTION, EVENT_ITEMS, EVENT_RETURN, event as header};
use crate::served_calls::ServedCalls;
use crate::shared_buffers::SharedBuffers;

/// Larger messages cross as separate memory.
const LARGE: usize = 32 * 1024;

type SpentTapes = Vec<Box<Tape>>;

/// Parts of events that JavaScript takes one by one.
pub(crate) struct Aside<'a> {
    pub(crate) large: &'a mut Vec<Option<Message>>,
    pub(crate) failures: &'a mut Vec<Option<Box<Failure>>>,
}

/// Returns the number of events that fit. Drops calls whose callers have gone away.
pub(crate) fn deliver(
    events: &mut VecDeque<Event>,
    served: &ServedCalls,
    buffers: &mut SharedBuffers,
    aside: &mut Aside<'_>,
) -> u32 {
    let mut slices = buffers.write();
    let mut position = Extent::default();
    let mut delivered = 0;
    let mut spent = SpentTapes::new();
    while let Some(event) = events.front() {
        if event.kind == EVENT_CALL && !served.is_waited_for(event.id) {
            events.pop_front();
            continue;
        }
        let size = size_of(event);
        if !slices.has_room(position, size) {
            break;
        }
        let Some(event) = events.pop_front() else { break };
        let (kind, id, start, larger) = (event.kind, event.id, position, aside.large.len());
        let writing = || put(event, size, &mut slices, &mut position, aside, &mut spent);
        if catch_unwind(AssertUnwindSafe(writing)).is_ok() {
            delivered += 1;
            continue;
        }
        // A bug in this library fails one call.
        position = start;
        aside.large.truncate(larger);
        match kind {
            EVENT_CALL => drop(served.take(id)),
            EVENT_RETURN | EVENT_EXCEPTION | EVENT_ITEMS => {
                events.push_front(Event::failed_inside(id));
            }
            _ => (),
        }
    }
    tape_pool::give_back(spent);
    delivered
}

fn put(
    event: Event,
    size: Extent,
    slices: &mut BufferSlicesMut<'_>,
    position: &mut Extent,
    aside: &mut Aside<'_>,
    spent: &mut SpentTapes,
) {
    if event.message().is_some() {
        faults::pass("inbox");
    }
    let Event { kind, id, mut first, second, request_id, content } = event;
    let (start, mut slot) = (position.words, 0);
    position.words += header::LENGTH;
    match content {
        Content::None => (),
        Content::Failure(failure) => {
            first = aside.failures.len() as u32;
            aside.failures.push(Some(failure));
        }
        Content::Message(message) if size.words == header::LENGTH => {
            aside.large.push(Some(message));
            slot = aside.large.len() as u32;
        }
        Content::Message(message) => {
            slices.put(&message.tape, &message.source, position);
            spent.push(message.tape);
        }
    }
    let [id_0, id_1, id_2, id_3] = words_of(request_id);
    slices.words[start..start + header::LENGTH].copy_from_slice(&[
        size.words as u32,
        kind,
        id,
        first,
        second,
        slot,
        id_0,
        id_1,
        id_2,
        id_3,
    ]);
}

fn words_of(request_id: RequestId) -> [u32; 4] {
    let id = request_id.unwrap_or_default();
    let words = id.as_chunks::<4>().0;
    std::array::from_fn(|word| u32::from_ne_bytes(words[word]))
}

fn size_of(event: &Event) -> Extent {
    let header = Extent { words: header::LENGTH, ..Extent::default() };
    let Some(message) = event.message() else { return header };
    let tape = extent(&message.tape, &message.source);
    if tape.words * 4 + tape.floats * 8 + tape.bytes > LARGE {
        return header;
    }
    Extent { words: header.words + tape.words, ..tape }
}
