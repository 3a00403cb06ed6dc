//! Streams made with Node's own crypto, see golden.mjs.

use backwater_protocol::client;
use backwater_protocol::server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::peers::*;

fn bytes(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn sixteen(text: &Value) -> [u8; 16] {
    text.as_str().unwrap().as_bytes().try_into().unwrap()
}

fn check_headers(headers: &http::HeaderMap, golden: &Value) {
    let golden = golden.as_array().unwrap();
    for header in golden {
        let [name, value] = [0, 1].map(|index| header[index].as_str().unwrap());
        assert_eq!(headers[name].to_str().unwrap(), value, "{name}");
    }
    // One more header is not signed.
    assert_eq!(headers.len(), golden.len() + 1);
}

fn check(case: &Value) {
    let keys = secrets(&[case["secret"].as_str().unwrap()]);
    let (id, nonce) = (sixteen(&case["requestId"]), sixteen(&case["nonce"]));
    let accept_gzip = case["request"][1][1] == "gzip";
    let client = client::Settings { accept_gzip, ..client::Settings::new(keys.clone()) };
    let server = server::Settings {
        compression_threshold: usize::MAX,
        ..server::Settings::new(keys.clone())
    };
    let mut stream = Stream::between("function", id, nonce, &client, &server);
    check_headers(stream.request.headers(), &case["request"]);
    check_headers(stream.head.headers(), &case["response"]);

    let frames = case["frames"].as_array().unwrap();
    let (mut expected, mut body) = (Vec::new(), Vec::new());
    let mut is_packed = false;
    for frame in frames {
        let (payload, golden) = (bytes(&frame["payload"]), bytes(&frame["frame"]));
        let (made, seen) = match frame["type"].as_u64().unwrap() {
            1 => (stream.items(&payload), Seen::Items(encoded(&tape_of(&payload), &payload))),
            2 => (stream.end(), Seen::End(u64::from_be_bytes(payload.try_into().unwrap()))),
            3 => (stream.try_exception(&payload).0, Seen::Exception(payload)),
            _ => (stream.ping(), Seen::Ping),
        };
        is_packed |= frame["isPacked"].as_bool().unwrap();
        if !frame["isPacked"].as_bool().unwrap() {
            assert_eq!(made, golden, "{}", frame["frame"]);
        }
        expected.push(seen);
        body.extend(golden);
    }
    let (status, headers) = (stream.head.status(), stream.head.headers());
    let answer = client::authenticate_offered(status, headers, &keys, id, &stream.offer);
    let Ok(client::Answer::Stream(answer)) = answer else { panic!("{answer:?}") };
    assert_eq!(read(answer.decoder(LIMIT).unwrap(), &body), (expected, Ok(())));
    assert_eq!(is_packed, case["name"] == "compressed");
}

#[test]
fn golden_files() {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let cases = golden.as_array().unwrap();
    assert_eq!(cases.len(), 4);
    cases.iter().for_each(check);
}
