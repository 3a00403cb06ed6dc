use backwater_etf::{DecodeOptions, Decoder, Encoder, Tape};
use backwater_protocol::client::{self, Answer, Extensions, Outcome};
use backwater_protocol::server::{self, Callers, ListCollector, NamedCaller};
use backwater_protocol::stream::GATHERED;

use crate::peers::*;

#[test]
fn frames_arrive_in_pieces_of_any_size() {
    let mut stream = Stream::begin();
    let bytes = [131, 107, 0, 2, 1, 255];
    let letters = list(&[&binary(400)]);
    let body = [
        stream.items(&bytes),
        stream.ping(),
        stream.items(&letters),
        stream.items(&[131, 106]),
        stream.end(),
    ]
    .concat();
    let expected = [Seen::Items(bytes.to_vec()), Seen::Ping, Seen::Items(letters), Seen::End(3)];
    for piece in 1..=body.len() {
        let (frames, ended) = read_in_pieces(stream.decoder(), &body, piece);
        assert_eq!(frames, expected, "pieces of {piece}");
        assert_eq!(ended, Ok(()));
    }
}

#[test]
fn an_exception_ends_a_stream() {
    let mut stream = Stream::begin();
    let (body, result) = stream.try_exception(EXCEPTION);
    assert_eq!(result, Ok(()));
    let (frames, ended) = read(stream.decoder(), &body);
    assert_eq!((frames, ended), (vec![Seen::Exception(EXCEPTION.to_vec())], Ok(())));
}

#[test]
fn an_empty_list_needs_no_frame() {
    let mut stream = Stream::begin();
    assert!(stream.items(&[131, 106]).is_empty());
    assert_eq!(stream.encoder.count(), 0);
    let body = stream.end();
    assert_eq!(read(stream.decoder(), &body), (vec![Seen::End(0)], Ok(())));
}

/// Flags and size of each payload.
fn payloads(mut body: &[u8]) -> Vec<(u8, usize)> {
    let mut payloads = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<6>() {
        let [a, b, c, d, _, flags] = *head;
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        payloads.push((flags, size));
        body = &rest[size + 16..];
    }
    payloads
}

#[test]
fn a_frame_ends_with_the_item_that_fills_it() {
    let item = binary(1000);
    let size = |items: usize| 7 + 1000 * items;
    let full = (1..).find(|items| size(*items) >= GATHERED).unwrap();
    for (items, expected) in [
        (full - 1, vec![size(full - 1)]),
        (full, vec![size(full)]),
        (full + 1, vec![size(full), size(1)]),
        (3 * full, vec![size(full); 3]),
    ] {
        let mut stream = Stream::uncompressed(&server());
        let body = stream.items(&list(&vec![&*item; items]));
        let sizes: Vec<_> = payloads(&body).into_iter().map(|(_, size)| size).collect();
        assert_eq!(sizes, expected, "{items} items");
        let (frames, _) = read(stream.decoder(), &[body, stream.end()].concat());
        assert_eq!(frames.last(), Some(&Seen::End(items as u64)));
    }
    for (first, frames) in [(GATHERED - 8, 1), (GATHERED - 7, 2)] {
        let mut stream = Stream::uncompressed(&server());
        let body = stream.items(&list(&[&binary(first), &[97, 1]]));
        assert_eq!(payloads(&body).len(), frames, "{first}");
    }
}

#[test]
fn frames_are_compressed_from_the_threshold() {
    // 7 bytes surround the binary.
    for (size, flags) in [(292, 0), (293, 1)] {
        let mut stream = Stream::begin();
        assert_eq!(payloads(&stream.items(&list(&[&binary(size)])))[0].0, flags, "{size}");
        let mut stream = Stream::uncompressed(&server());
        assert_eq!(payloads(&stream.items(&list(&[&binary(size)])))[0].0, 0);
    }
    let mut stream = Stream::begin();
    let exception = [&b"\x83h\x03w\x05error"[..], &binary(400), b"j"].concat();
    let (body, _) = stream.try_exception(&exception);
    assert_eq!(payloads(&body)[0].0, 1);
    assert_eq!(read(stream.decoder(), &body), (vec![Seen::Exception(exception)], Ok(())));
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(400)
    .collect();
    let mut stream = Stream::begin();
    let body = stream.items(&list(&[&[&[109, 0, 0, 1, 0x90], &noise[..]].concat()]));
    assert_eq!(payloads(&body), [(0, 412)]);
}

#[test]
fn a_stream_is_signed_with_the_secret_of_its_request() {
    let named = |name: &str, keys: &[&str]| NamedCaller {
        name: name.to_owned(),
        secrets: secrets(keys),
        hint: None,
    };
    let callers =
        Callers::new(vec![named("billing", &["new", "old"]), named("web", &["other"])]).unwrap();
    let server = server::Settings::new(callers);
    for secret in ["new", "old", "other"] {
        let client = client::Settings::new(secrets(&[secret, "next"]));
        let mut stream = Stream::between("function", ID, NONCE, &client, &server);
        let body = [stream.items(&list(&[&[97, 1]])), stream.end()].concat();
        let (status, headers) = (stream.head.status(), stream.head.headers());
        let accepted =
            client::authenticate_offered(status, headers, &client.secrets, ID, &stream.offer);
        let Ok(Answer::Stream(accepted)) = accepted else { panic!("{accepted:?}") };
        let (_, ended) = read(accepted.decoder(LIMIT).unwrap(), &body);
        assert_eq!(ended, Ok(()), "{secret}");
        let wrong = secrets(&["next"]);
        assert!(client::authenticate_offered(status, headers, &wrong, ID, &stream.offer).is_err());
    }
}

fn collected(lists: &[&[u8]]) -> Vec<u8> {
    let (client, server) = (client(), server());
    let request = prepared("function", &client).sign(ID, Extensions::default());
    let context = context_of(&request, &server).unwrap();
    assert!(!context.accepts_stream());
    assert!(server::begin_stream(&context, NONCE, &server).is_none());
    let mut collector = ListCollector::new(&server);
    for list in lists {
        let tape = tape_of(list);
        collector.push(tape.as_tape_ref(list), &mut Encoder::default()).unwrap();
    }
    let response = collector.finish(&context, &server);
    let payload = client::authenticate(response.status(), response.headers(), &client.secrets, ID)
        .unwrap()
        .verify(response.body().clone())
        .unwrap()
        .check_status()
        .unwrap()
        .accept()
        .unwrap()
        .inflate(client.max_encoded_result_size)
        .unwrap();
    let mut tape = Tape::default();
    let options = DecodeOptions::default();
    let (outcome, source) = payload.decode(&mut Decoder::new(), &options, &mut tape).unwrap();
    assert_eq!(outcome, Outcome::Return { word_offset: 2 });
    encoded(&tape, &source)
}

#[test]
fn callers_without_streams_get_a_list() {
    let returned = |list: &[u8]| [b"\x83h\x02w\x06return", list].concat();
    assert_eq!(collected(&[]), returned(&[106]));
    assert_eq!(collected(&[&[131, 106]]), returned(&[106]));
    assert_eq!(
        collected(&[&[131, 107, 0, 2, 1, 2], &[131, 106], &[131, 107, 0, 1, 3]]),
        returned(&[107, 0, 3, 1, 2, 3])
    );
    let large = list(&[&binary(1000), &[106]]);
    let both = list(&[&binary(1000), &[106], &binary(1000), &[106]]);
    assert_eq!(collected(&[&large, &large]), returned(&both[1..]));
}
