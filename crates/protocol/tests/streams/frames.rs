//! Authentic but invalid frames, from a newer or a broken server.

use backwater_etf::{DecodeErrorKind, DecodeOptions, Decoder, Tape};
use backwater_protocol::gzip::{GzipError, deflate};
use backwater_protocol::stream::{Frame, FrameError, FrameType};

use crate::peers::*;

fn failure_of(kind: u8, flags: u8, payload: &[u8]) -> FrameError {
    let (seen, ended) = forged(&[(kind, flags, payload)], LIMIT);
    assert_eq!(seen, []);
    ended.unwrap_err()
}

#[test]
fn forged_frames_pass_as_authentic() {
    let items = list(&[&[97, 1]]);
    let frames: [(u8, u8, &[u8]); 3] = [(1, 0, &items), (4, 0, &[]), (2, 0, &1u64.to_be_bytes())];
    let expected = vec![Seen::Items(vec![131, 107, 0, 1, 1]), Seen::Ping, Seen::End(1)];
    assert_eq!(forged(&frames, LIMIT), (expected, Ok(())));
}

#[test]
fn unknown_types_are_refused_by_name() {
    for kind in (0..=255).filter(|kind| !(1..=4).contains(kind)) {
        for payload in [&b""[..], b"payload"] {
            let error = failure_of(kind, 0, payload);
            assert_eq!(error, FrameError::UnknownType(kind));
            assert_eq!(error.reason(), "unknown_frame_type");
        }
    }
}

#[test]
fn unknown_flags_are_refused_by_name() {
    let (items, end) = (list(&[&[97, 1]]), 0u64.to_be_bytes());
    for flags in 2..=255 {
        for (kind, payload) in [(1, &*items), (2, &end), (3, EXCEPTION), (4, b"")] {
            assert_eq!(failure_of(kind, flags, payload), FrameError::UnknownFlags(flags));
        }
    }
    for (kind, payload) in [(2, deflate(&[0; 100], 1).unwrap()), (4, vec![])] {
        assert_eq!(failure_of(kind, 1, &payload), FrameError::UnknownFlags(1));
    }
}

#[test]
fn payloads_must_match_their_type() {
    let invalid = FrameError::InvalidPayload;
    for size in (0..20).filter(|size| *size != 8) {
        assert_eq!(failure_of(2, 0, &vec![0; size]), invalid(FrameType::End), "{size}");
    }
    for size in [1, 2, 100] {
        assert_eq!(failure_of(4, 0, &vec![0; size]), invalid(FrameType::Ping), "{size}");
    }
    for payload in [
        &b""[..],
        &[131],
        &[131, 106],
        &[131, 108, 0, 0, 0, 0, 106],
        &[131, 107, 0, 0],
        &[131, 97, 1],
        &[131, 104, 1, 97, 1],
        &[108, 0, 0, 0, 1, 97, 1, 106],
        &[130, 108, 0, 0, 0, 1, 97, 1, 106],
        // An improper list.
        &[131, 108, 0, 0, 0, 1, 97, 1, 97, 2],
        // A list whose tail is a list.
        &[131, 108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 106],
        &[131, 108, 0, 0, 0, 1, 97, 1, 106, 106],
    ] {
        assert_eq!(failure_of(1, 0, payload), invalid(FrameType::Items), "{payload:?}");
    }
    for payload in [
        &[131, 106][..],
        b"\x83h\x02w\x05errorw\x03bad",
        b"\x83h\x03w\x05errolw\x03badj",
        b"\x83h\x03w\x05errorw\x03badw\x01a",
        b"\x83h\x03w\x05errorw\x03badjj",
        b"\x83h\x02w\x09exceptionh\x03w\x05errorw\x03badj",
    ] {
        assert_eq!(failure_of(3, 0, payload), invalid(FrameType::Exception), "{payload:?}");
    }
    for (kind, payload) in [
        (1, &[131, 108, 0, 0, 0, 1][..]),
        (1, &[131, 108, 0, 0, 0, 2, 97, 1, 106]),
        (1, &[131, 108, 255, 255, 255, 255, 97, 1, 106]),
        (1, &[131, 107, 0, 9, 1]),
        (1, &[131, 108, 0, 0, 0, 1, 80, 106]),
        (3, b""),
        (3, b"\x83h\x03w\x05error"),
    ] {
        let error = failure_of(kind, 0, payload);
        assert!(matches!(error, FrameError::Decode(_)), "{payload:?}: {error:?}");
        assert_eq!(error.reason(), "invalid_frame_payload");
    }
    // As Erlang encodes bytes.
    let items = [131, 107, 0, 2, 1, 255];
    let (seen, ended) = forged(&[(1, 0, &items), (2, 0, &2u64.to_be_bytes())], LIMIT);
    assert_eq!((seen, ended), (vec![Seen::Items(items.to_vec()), Seen::End(2)], Ok(())));
}

#[test]
fn the_end_states_the_number_of_items() {
    let (one, two) = (list(&[&[97, 1]]), list(&[&[97, 1], &[97, 2]]));
    for sent in [0u64, 1, 2, 3, 4, u64::MAX] {
        let end = sent.to_be_bytes();
        let frames: [(u8, u8, &[u8]); 4] = [(1, 0, &one), (4, 0, &[]), (1, 0, &two), (2, 0, &end)];
        let (seen, ended) = forged(&frames, LIMIT);
        let expected = match sent {
            3 => Ok(()),
            _ => Err(FrameError::CountMismatch { received: 3, sent }),
        };
        assert_eq!(ended, expected);
        assert_eq!(seen.len(), if sent == 3 { 4 } else { 3 });
    }
    for end in [(2, 0, &0u64.to_be_bytes()[..]), (3, 0, EXCEPTION)] {
        let (seen, ended) = forged(&[end, (1, 0, &one)], LIMIT);
        assert_eq!((seen.len(), ended), (1, Err(FrameError::TrailingBytes)));
    }
}

#[test]
fn gzip_is_checked_and_limited() {
    let items = list(&[&binary(4000)]);
    let packed = deflate(&items, 9).unwrap();
    let (seen, _) = forged(&[(1, 1, &packed)], LIMIT);
    assert_eq!(seen, [Seen::Items(items.clone())]);
    for end in 0..packed.len() {
        let malformed = FrameError::Inflate(GzipError::Malformed);
        assert_eq!(failure_of(1, 1, &packed[..end]), malformed, "{end}");
    }
    assert_eq!(failure_of(1, 1, &items), FrameError::Inflate(GzipError::Malformed));
    assert_eq!(failure_of(1, 0, &packed), FrameError::InvalidPayload(FrameType::Items));
    assert_eq!(failure_of(3, 1, EXCEPTION), FrameError::Inflate(GzipError::Malformed));
    // A bomb: 4 MB in 4 kB.
    let bomb = deflate(&vec![0; 4_000_000], 9).unwrap();
    assert!(bomb.len() < 5_000);
    let limit = LIMIT + (64 << 10);
    for kind in [1, 3] {
        let too_large = FrameError::Inflate(GzipError::TooLarge { limit });
        assert_eq!(failure_of(kind, 1, &bomb), too_large);
    }
}

#[test]
fn items_are_decoded_with_the_clients_options() {
    let nested = list(&[&[104, 1, 104, 1, 97, 1]]);
    let stream = Stream::begin();
    for (max_depth, is_ok) in [(2, true), (1, false)] {
        let mut decoder = stream.decoder();
        decoder.push(&Forger::of(&stream).frame(1, 0, &nested));
        let Ok(Some(Frame::Items(items))) = decoder.next_frame() else { panic!("no items") };
        assert_eq!((items.count(), items.size()), (1, nested.len()));
        let options = DecodeOptions { max_depth, ..DecodeOptions::default() };
        let decoded = items.decode(&mut Decoder::new(), &options, &mut Tape::default());
        match decoded {
            Ok(source) => assert!(is_ok && source == nested),
            Err(FrameError::Decode(error)) => {
                assert!(!is_ok);
                assert_eq!(error.kind, DecodeErrorKind::Depth(1));
            }
            other => panic!("{other:?}"),
        }
    }
}
