use backwater_etf::Encoder;
use backwater_protocol::server::{self, ListCollector, RespondError};
use backwater_protocol::stream::{FrameError, GATHERED};

use crate::peers::*;

#[test]
fn a_client_accepts_payloads_up_to_its_limit() {
    // The version byte and the list around a binary.
    let payload = |size: usize| list(&[&binary(size - 7)]);
    for limit in [0, 1000] {
        let most = limit + GATHERED;
        for (size, expected) in [
            (most - 1, Err(FrameError::Truncated)),
            (most, Err(FrameError::Truncated)),
            (most + 1, Err(FrameError::TooLarge { size: most + 1, limit: most })),
        ] {
            let payload = payload(size);
            let (seen, ended) = forged(&[(1, 0, &payload)], limit);
            let arrived = if size <= most { vec![Seen::Items(payload)] } else { vec![] };
            assert_eq!((seen, ended), (arrived, expected));
        }
        for (size, is_taken) in [(most, true), (most + 1, false)] {
            let packed = backwater_protocol::gzip::deflate(&payload(size), 9).unwrap();
            let (_, ended) = forged(&[(1, 1, &packed)], limit);
            assert_eq!(ended.unwrap_err() == FrameError::Truncated, is_taken, "{size}");
        }
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_payload() {
    let stream = Stream::begin();
    let limit = LIMIT + GATHERED;
    for size in [limit + 1, u32::MAX as usize] {
        let mut decoder = stream.decoder();
        decoder.push(&(size as u32).to_be_bytes()[..3]);
        assert!(matches!(decoder.next_frame(), Ok(None)));
        assert_eq!(decoder.frame_size(), None);
        decoder.push(&[(size & 255) as u8, 1, 0]);
        assert_eq!(decoder.frame_size(), Some(size + 22));
        assert_eq!(decoder.next_frame().unwrap_err(), FrameError::TooLarge { size, limit });
        assert_eq!(decoder.buffered(), 0);
    }
    let mut decoder = stream.decoder();
    decoder.push(&[&(limit as u32).to_be_bytes()[..], &[1, 0]].concat());
    assert!(matches!(decoder.next_frame(), Ok(None)));
    assert_eq!(decoder.buffered(), 6);
}

#[test]
fn a_server_sends_items_up_to_its_limit() {
    let limit = 1000;
    let server = server::Settings { max_encoded_result_size: limit, ..server() };
    let mut stream = Stream::uncompressed(&server);
    let (largest, larger) = (binary(limit), binary(limit + 1));
    let mut body = stream.items(&list(&[&largest, &[97, 1], &largest]));
    let (frames, result) = stream.try_items(&list(&[&[97, 2], &[97, 3], &larger, &[97, 4]]));
    assert_eq!(result, Err(RespondError::TooLarge { limit }));
    body.extend(frames);
    assert_eq!(stream.encoder.count(), 5);
    let (frames, result) = stream.try_items(&list(&[&larger]));
    assert_eq!((&*frames, result), (&[][..], Err(RespondError::TooLarge { limit })));
    let exception = |size| [&b"\x83h\x03w\x05error"[..], &binary(size), b"j"].concat();
    let (frames, result) = stream.try_exception(&exception(limit));
    assert_eq!((&*frames, result), (&[][..], Err(RespondError::TooLarge { limit })));
    // 10 bytes surround the reason, without the version.
    assert!(stream.try_exception(&exception(limit - 9)).1.is_err());
    let (frames, result) = stream.try_exception(&exception(limit - 10));
    assert_eq!(result, Ok(()));
    body.extend(frames);
    let (seen, ended) = read(decoder_of(&stream.head, &stream.offer, limit), &body);
    let expected = [
        Seen::Items(list(&[&largest, &[97, 1], &largest])),
        Seen::Items(vec![131, 107, 0, 2, 2, 3]),
        Seen::Exception(exception(limit - 10)),
    ];
    assert_eq!((&seen[..], ended), (&expected[..], Ok(())));
}

#[test]
fn equal_limits_of_client_and_server_fit() {
    for limit in [1, 100, GATHERED, LIMIT] {
        let server = server::Settings { max_encoded_result_size: limit, ..server() };
        let mut stream = Stream::uncompressed(&server);
        let small = [106];
        let mut items = vec![&small[..]; GATHERED - 8];
        let largest = if limit < 5 { vec![106] } else { binary(limit) };
        items.push(&largest);
        let body = [stream.items(&list(&items)), stream.end()].concat();
        let size = u32::from_be_bytes(*body.first_chunk().unwrap()) as usize;
        assert_eq!(size, GATHERED - 1 + largest.len());
        let (_, ended) = read(decoder_of(&stream.head, &stream.offer, limit), &body);
        assert_eq!(ended, Ok(()), "{limit}");
    }
}

#[test]
fn a_collected_list_is_limited_like_a_result() {
    // `131, {return, [<<…>>, <<…>>]}` has 17 bytes around its items.
    let limit = 1017;
    let server = server::Settings { max_encoded_result_size: limit, ..server() };
    let collect = |sizes: &[usize]| {
        let mut collector = ListCollector::new(&server);
        let mut result = Ok(());
        for size in sizes {
            let list = list(&[&binary(*size)]);
            let tape = tape_of(&list);
            result = result
                .and_then(|()| collector.push(tape.as_tape_ref(&list), &mut Encoder::default()));
        }
        result.map(|()| collector.size())
    };
    let too_large = Err(RespondError::TooLarge { limit });
    assert_eq!(collect(&[500, 500]), Ok(limit - 1));
    assert_eq!(collect(&[500, 501]), too_large);
    assert_eq!(collect(&[1000]), Ok(limit - 1));
    assert_eq!(collect(&[1001]), too_large);
    assert_eq!(collect(&[2000]), too_large);
}
