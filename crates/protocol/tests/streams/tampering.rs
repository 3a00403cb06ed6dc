//! The client sees only the frames before a change.

use backwater_protocol::client::AuthenticationFailure;
use backwater_protocol::stream::FrameError;

use crate::peers::*;

/// Four frames, one of them compressed.
struct Sample {
    stream: Stream,
    frames: Vec<Vec<u8>>,
    seen: Vec<Seen>,
}

fn sample_of(mut stream: Stream) -> Sample {
    let (first, second) = (list(&[&[97, 1], &[106]]), list(&[&binary(400)]));
    let frames = vec![stream.items(&first), stream.ping(), stream.items(&second), stream.end()];
    let seen = vec![Seen::Items(first), Seen::Ping, Seen::Items(second), Seen::End(3)];
    Sample { stream, frames, seen }
}

fn sample() -> Sample {
    sample_of(Stream::begin())
}

impl Sample {
    fn check(&self, frames: &[(&[u8], Option<usize>)]) {
        let body: Vec<u8> = frames.iter().flat_map(|(frame, _)| frame.to_vec()).collect();
        let wrong = (0..frames.len()).find(|place| frames[*place].1 != Some(*place));
        let intact = wrong.unwrap_or(frames.len());
        let expected = match wrong {
            Some(place) if place == self.frames.len() => Err(FrameError::TrailingBytes),
            Some(place) => Err(FrameError::InvalidTag { number: place as u64 }),
            None if intact == self.frames.len() => Ok(()),
            None => Err(FrameError::Truncated),
        };
        for piece in [1, 50, usize::MAX] {
            let (seen, ended) = read_in_pieces(self.stream.decoder(), &body, piece);
            assert_eq!(seen, self.seen[..intact]);
            assert_eq!(ended, expected);
        }
    }

    fn check_order(&self, order: &[usize]) {
        let frames: Vec<_> =
            order.iter().map(|number| (&*self.frames[*number], Some(*number))).collect();
        self.check(&frames);
    }
}

#[test]
fn no_bit_of_a_frame_can_be_changed() {
    let sample = sample();
    let body = sample.frames.concat();
    let mut start = 0;
    for (number, frame) in sample.frames.iter().enumerate() {
        for bit in 0..frame.len() * 8 {
            let mut changed = body.clone();
            changed[start + bit / 8] ^= 1 << (bit % 8);
            let (seen, ended) = read(sample.stream.decoder(), &changed);
            assert_eq!(seen, sample.seen[..number], "frame {number}, bit {bit}");
            let size = changed[start..].first_chunk().copied().map(u32::from_be_bytes);
            let size = size.unwrap() as usize;
            let limit = LIMIT + (64 << 10);
            let expected = if size > limit {
                FrameError::TooLarge { size, limit }
            } else if start + 6 + size + 16 > body.len() {
                FrameError::Truncated
            } else {
                FrameError::InvalidTag { number: number as u64 }
            };
            assert_eq!(ended, Err(expected), "frame {number}, bit {bit}");
        }
        start += frame.len();
    }
}

#[test]
fn a_truncated_body_is_an_error() {
    let sample = sample();
    let body = sample.frames.concat();
    for end in 0..body.len() {
        let mut whole = 0;
        let mut sizes = 0;
        for frame in &sample.frames {
            sizes += frame.len();
            whole += usize::from(sizes <= end);
        }
        for piece in [1, usize::MAX] {
            let (seen, ended) = read_in_pieces(sample.stream.decoder(), &body[..end], piece);
            assert_eq!(seen, sample.seen[..whole], "cut at {end}");
            assert_eq!(ended, Err(FrameError::Truncated), "cut at {end}");
        }
    }
    assert_eq!(read(sample.stream.decoder(), &body).1, Ok(()));
}

#[test]
fn a_truncated_exception_is_an_error() {
    let mut stream = Stream::begin();
    let (body, _) = stream.try_exception(EXCEPTION);
    for end in 0..body.len() {
        let (seen, ended) = read(stream.decoder(), &body[..end]);
        assert_eq!((seen, ended), (vec![], Err(FrameError::Truncated)), "cut at {end}");
    }
}

fn orders(numbers: &[usize]) -> Vec<Vec<usize>> {
    if numbers.is_empty() {
        return vec![vec![]];
    }
    let orders = numbers.iter().flat_map(|first| {
        let others: Vec<_> = numbers.iter().copied().filter(|number| number != first).collect();
        orders(&others).into_iter().map(|rest| [vec![*first], rest].concat())
    });
    orders.collect()
}

#[test]
fn frames_cannot_be_reordered_dropped_or_repeated() {
    let sample = sample();
    assert_eq!(orders(&[0, 1, 2, 3]).len(), 24);
    for order in orders(&[0, 1, 2, 3]) {
        sample.check_order(&order);
        for end in 0..4 {
            sample.check_order(&order[..end]);
        }
        for number in 0..4 {
            for place in 0..=4 {
                let mut repeated = order.clone();
                repeated.insert(place, number);
                sample.check_order(&repeated);
            }
        }
    }
    // Equal frames have different tags.
    let mut stream = Stream::begin();
    let (ping, other) = (stream.ping(), stream.ping());
    assert_ne!(ping, other);
    let end = stream.end();
    let (seen, ended) = read(stream.decoder(), &[ping, end].concat());
    assert_eq!((seen, ended), (vec![Seen::Ping], Err(FrameError::InvalidTag { number: 1 })));
}

#[test]
fn bytes_after_the_end_are_refused() {
    let sample = sample();
    let end = sample.frames.concat();
    for byte in [0, 1, 255] {
        for piece in [1, usize::MAX] {
            let body = [&end[..], &[byte]].concat();
            let (seen, ended) = read_in_pieces(sample.stream.decoder(), &body, piece);
            assert_eq!((seen, ended), (sample.seen.clone(), Err(FrameError::TrailingBytes)));
        }
        let mut decoder = sample.stream.decoder();
        decoder.push(&[&end[..], &[byte]].concat());
        while matches!(decoder.next_frame(), Ok(Some(_))) {}
        assert_eq!(decoder.next_frame().unwrap_err(), FrameError::TrailingBytes);
    }
}

/// Each differs from the sample in one way.
fn others() -> [(&'static str, Sample); 5] {
    let (client, server) = (client(), server());
    let stream = |function, id, nonce| Stream::between(function, id, nonce, &client, &server);
    let other_client = backwater_protocol::client::Settings::new(secrets(&["two"]));
    let other_server = backwater_protocol::server::Settings::new(secrets(&["two"]));
    let other_secret = Stream::between("function", ID, NONCE, &other_client, &other_server);
    [
        ("another answer to the same request", stream("function", ID, [7; 16])),
        ("a request of another id", stream("function", [7; 16], NONCE)),
        ("a request to another function", stream("another", ID, NONCE)),
        ("another secret", other_secret),
        ("a client that takes no gzip", Stream::uncompressed(&server)),
    ]
    .map(|(name, stream)| (name, sample_of(stream)))
}

#[test]
fn frames_of_another_stream_are_refused() {
    let sample = sample();
    for (_, other) in others() {
        for place in 0..4 {
            for end in [place + 1, 4] {
                let frames: Vec<_> = (0..4)
                    .map(|number| match (place..end).contains(&number) {
                        true => (&*other.frames[number], None),
                        false => (&*sample.frames[number], Some(number)),
                    })
                    .collect();
                sample.check(&frames);
            }
        }
        sample.check(&[(&sample.frames[0], Some(0)), (&other.frames[3], None)]);
        let mut frames: Vec<_> =
            (0..4).map(|number| (&*sample.frames[number], Some(number))).collect();
        frames.push((&other.frames[3], None));
        sample.check(&frames);
    }
}

#[test]
fn a_whole_stream_does_not_answer_another_request() {
    let sample = sample();
    for (name, other) in others() {
        let body = other.frames.concat();
        match answer_of(&other.stream.head, &sample.stream.offer) {
            Err(failure) => match name {
                "another secret" => assert_eq!(failure.reason(), "invalid_signature"),
                _ => {
                    assert_eq!(name, "a request of another id");
                    assert_eq!(failure, AuthenticationFailure::MismatchedRequestId);
                }
            },
            Ok(_) => {
                let decoder = decoder_of(&other.stream.head, &sample.stream.offer, LIMIT);
                let ended = read(decoder, &body);
                if name == "another answer to the same request" {
                    // A recorded response to the same request is authentic.
                    assert_eq!(ended, (other.seen.clone(), Ok(())));
                } else {
                    let error = FrameError::InvalidTag { number: 0 };
                    assert_eq!(ended, (vec![], Err(error)), "{name}");
                }
            }
        }
        let error = FrameError::InvalidTag { number: 0 };
        assert_eq!(read(sample.stream.decoder(), &body), (vec![], Err(error)), "{name}");
    }
}

#[test]
fn a_failed_stream_stays_failed_and_frees_its_memory() {
    let sample = sample();
    let mut decoder = sample.stream.decoder();
    let mut changed = sample.frames[0].clone();
    changed[7] ^= 1;
    decoder.push(&changed);
    for _ in 0..3 {
        let error = FrameError::InvalidTag { number: 0 };
        assert_eq!(decoder.next_frame().unwrap_err(), error);
        assert_eq!(decoder.finish(), Err(error));
        decoder.push(&sample.frames.concat());
        assert_eq!(decoder.buffered(), 0);
    }
}
