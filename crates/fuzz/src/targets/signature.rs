//! Input: request or response, then changes of a signed one.

use backwater_etf::{Encoder, TapeRef};
use backwater_protocol::client::{self, RequestPath};
use backwater_protocol::server;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::input::Input;
use crate::pipeline;
use crate::signing::{ID, last_parameter, sign, signing_string};

const NAMES: [&str; 12] = [
    "authorization",
    "signature",
    "digest",
    "x-request-id",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "content-encoding",
    "host",
    "date",
    "x-backwater-created",
];
const UNIQUE: [&str; 12] = [
    "authorization",
    "digest",
    "content-encoding",
    "content-length",
    "content-type",
    "accept",
    "accept-encoding",
    "x-request-id",
    "x-backwater-audience",
    "x-backwater-created",
    "x-backwater-timeout",
    "signature",
];

#[derive(Clone)]
struct Message {
    method: Method,
    target: String,
    status: StatusCode,
    headers: HeaderMap,
}

impl Message {
    fn pseudo(&self, is_request: bool) -> (&'static str, String) {
        if is_request {
            let method = self.method.as_str().to_lowercase();
            ("(request-target)", format!("{method} {}", self.target))
        } else {
            ("(response-status)", self.status.as_str().to_owned())
        }
    }
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let is_request = input.byte() & 1 == 0;
    let original = if is_request { request() } else { response() };
    let mut message = original.clone();
    while !input.is_empty() {
        change(&mut message, &mut input);
    }
    let header = if is_request { "authorization" } else { "signature" };
    let scheme = if is_request { "Signature " } else { "" };
    let accepted = if is_request {
        let settings = pipeline::server_settings();
        server::authenticate(&message.method, &message.target, &message.headers, &settings).is_ok()
    } else {
        let settings = pipeline::client_settings();
        client::authenticate(message.status, &message.headers, &settings.secrets, ID).is_ok()
    };
    let text = |message: &Message| {
        let value = message.headers.get(header)?.to_str().ok()?.strip_prefix(scheme)?.to_owned();
        let list = last_parameter(&value, "headers")?.to_owned();
        let list: Vec<_> = list.split(' ').filter(|name| !name.is_empty()).collect();
        let pseudo = message.pseudo(is_request);
        signing_string((pseudo.0, &pseudo.1), &list, &message.headers)
    };
    if accepted {
        assert_eq!(text(&message), text(&original), "an unsigned message is accepted");
        for name in UNIQUE {
            let count = message.headers.get_all(name).iter().count();
            assert!(count <= 1, "{name} occurs {count} times");
        }
        for name in ["digest", "x-request-id", "content-type", "content-length", "content-encoding"]
        {
            let trimmed = |message: &Message| {
                message.headers.get(name).map(|value| value.as_bytes().trim_ascii().to_vec())
            };
            assert_eq!(trimmed(&message), trimmed(&original), "{name} is not what was signed");
        }
    } else if data.len() <= 1 {
        unreachable!("the original is refused");
    }
}

fn request() -> Message {
    let path = RequestPath::new("module", "function", 0);
    let empty_list = TapeRef { words: &[4 << 4 | 5], ..TapeRef::default() };
    let settings = pipeline::client_settings();
    let encoder = &mut Encoder::default();
    let host = HeaderValue::from_static("host");
    match client::prepare_request(&path, &host, empty_list, encoder, &settings) {
        Ok(prepared) => {
            let request = prepared.sign(ID, client::Extensions::default());
            Message {
                method: request.method().clone(),
                target: path.as_str().to_owned(),
                status: StatusCode::OK,
                headers: request.headers().clone(),
            }
        }
        Err(error) => unreachable!("{error}"),
    }
}

fn response() -> Message {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-erlang-etf"));
    sign(&mut headers, ("(response-status)", "200"), b"");
    Message { method: Method::POST, target: String::new(), status: StatusCode::OK, headers }
}

fn change(message: &mut Message, input: &mut Input<'_>) {
    let kind = input.below(8);
    let name = HeaderName::from_static(input.pick(&NAMES));
    match kind {
        0 | 1 => {
            if let Ok(value) = HeaderValue::from_bytes(input.chunk()) {
                if kind == 0 {
                    message.headers.insert(name, value);
                } else if message.headers.len() < 100 {
                    message.headers.append(name, value);
                }
            }
        }
        2 => {
            message.headers.remove(name);
        }
        3 => {
            let at = input.short();
            if let Some(value) = message.headers.get_mut(&name)
                && !value.is_empty()
            {
                let mut bytes = value.as_bytes().to_vec();
                let bit = at % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static(""));
            }
        }
        4 => message.target = String::from_utf8_lossy(input.chunk()).into_owned(),
        5 => {
            message.method = input.pick(&[&Method::POST, &Method::GET, &Method::PUT]).clone();
            message.status = input.pick(&[StatusCode::OK, StatusCode::NOT_FOUND]);
        }
        6 => {
            let (at, length, with) = (input.short(), input.below(64), input.chunk());
            if let Some(value) = message.headers.get_mut(&name) {
                let bytes = value.as_bytes();
                let start = at % (bytes.len() + 1);
                let end = (start + length).min(bytes.len());
                let changed = [&bytes[..start], with, &bytes[end..]].concat();
                if let Ok(changed) = HeaderValue::from_bytes(&changed) {
                    *value = changed;
                }
            }
        }
        _ => {
            let from = input.pick(&NAMES);
            if let Some(value) = message.headers.get(from).cloned() {
                message.headers.insert(name, value);
            }
        }
    }
}
