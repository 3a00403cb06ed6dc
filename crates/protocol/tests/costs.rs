// Miri cannot run ring.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::panic)]
//! Memory and work for an unauthenticated head are linear in its size.

use std::hint::black_box;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backwater_protocol::server::{Callers, Hint, NamedCaller};
use backwater_protocol::{MAX_SECRETS, Secrets, client, server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Measurements cover the whole process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Per byte of a head. `FIXED` covers copying a hundred headers.
const MEMORY: usize = 4;
const FIXED: usize = 16 * 1024;
/// The limit lies halfway between linear and quadratic growth.
const GROWTH: usize = 16;
const MOST_GROWTH: u32 = (GROWTH * 4) as u32;

/// Linux measures CPU time in milliseconds.
const ENOUGH: Duration = Duration::from_millis(20);

const ID: [u8; 16] = *b"sixteen bytes id";
const TARGET: &str = "/backwater/1/module/function/1";

struct Head {
    headers: HeaderMap,
    target: String,
}

impl Head {
    /// `PSEUDO` stands for the pseudo header.
    fn new(parameters: &str) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in [("digest", "SHA-256=x"), ("x-request-id", &STANDARD.encode(ID))] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let of_request = parameters.replace("PSEUDO", "(request-target)");
        let of_answer = parameters.replace("PSEUDO", "(response-status)");
        let authorization = HeaderValue::from_str(&format!("Signature {of_request}")).unwrap();
        headers.insert("authorization", authorization);
        headers.insert("signature", HeaderValue::from_str(&of_answer).unwrap());
        Self { headers, target: TARGET.to_owned() }
    }

    fn listing(names: &str) -> Self {
        let list = format!("PSEUDO digest x-request-id {names}");
        Self::new(&parameters(&list, &STANDARD.encode([0; 32])))
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }
}

fn parameters(list: &str, signature: &str) -> String {
    format!(
        "keyId=\"default\",algorithm=\"hmac-sha256\",headers=\"{list}\",signature=\"{signature}\""
    )
}

fn distinct(size: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&format!("{number} "));
    }
    text
}

type Kind = (&'static str, fn(usize) -> Head);

const KINDS: [Kind; 14] = [
    ("a long header that is listed again and again", |size| {
        Head::listing(&"a ".repeat(size / 4)).with("a", &"x".repeat(size / 2))
    }),
    ("the same in any case", |size| {
        Head::listing(&"a A ".repeat(size / 8)).with("a", &"x".repeat(size / 2))
    }),
    ("headers in turns", |size| {
        Head::listing(&"a b ".repeat(size / 8)).with("a", "x").with("b", &"x".repeat(size / 2))
    }),
    ("the pseudo header again and again", |size| {
        let mut head = Head::listing(&"PSEUDO ".repeat(size / 34));
        head.target = format!("{TARGET}{}", "x".repeat(size / 2));
        head
    }),
    ("a hundred long headers, each of them listed", |size| {
        let names: Vec<_> = (0..90).map(|number| format!("h{number}")).collect();
        let value = "x".repeat(size / 90);
        let head = Head::listing(&names.join(" "));
        names.iter().fold(head, |head, name| head.with(name, &value))
    }),
    ("a hundred headers, and a connection that a proxy may have removed", |size| {
        let value = "x".repeat(size / 90);
        let head = Head::listing("h0 connection");
        (0..90).fold(head, |head, number| head.with(&format!("h{number}"), &value))
    }),
    ("a long header, and a connection that a proxy may have replaced", |size| {
        Head::listing("a connection").with("a", &"x".repeat(size)).with("connection", "keep-alive")
    }),
    ("a header in a hundred lines", |size| {
        let value = "x".repeat(size / 100);
        (0..100).fold(Head::listing("a"), |head, _| head.with("a", &value))
    }),
    ("names that are not there", |size| Head::listing(&distinct(size))),
    ("one name", |size| Head::listing(&"x".repeat(size))),
    ("a list of spaces", |size| Head::listing(&" ".repeat(size))),
    ("a long signature", |size| {
        Head::new(&parameters("PSEUDO digest x-request-id", &"A".repeat(size)))
    }),
    ("many parameters", |size| Head::new(&"a=\"\",".repeat(size / 5))),
    ("a long name of a parameter", |size| Head::new(&"a".repeat(size))),
];

fn secrets() -> Secrets {
    Secrets::new([b"one secret".to_vec(), b"another".to_vec()]).unwrap()
}

static SERVERS: LazyLock<[server::Settings; 2]> = LazyLock::new(|| {
    let caller = |number: usize| NamedCaller {
        name: format!("caller-{number}"),
        secrets: Secrets::new([format!("secret-{number}").into_bytes()]).unwrap(),
        hint: (number < MAX_SECRETS).then_some(Hint::Optional),
    };
    let callers = Callers::new((0..1000).map(caller).collect()).unwrap();
    [server::Settings::new(secrets()), server::Settings::new(callers)]
});

fn refuse_request(head: &Head) {
    refuse_by(&SERVERS[0], head);
}

fn refuse_stranger(head: &Head) {
    refuse_by(&SERVERS[1], head);
}

fn refuse_by(settings: &server::Settings, head: &Head) {
    let refusal =
        server::authenticate(&Method::POST, &head.target, &head.headers, settings).unwrap_err();
    assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
    black_box(refusal.into_response(settings));
}

fn refuse_answer(head: &Head) {
    let failure = client::authenticate(StatusCode::OK, &head.headers, &secrets(), ID).unwrap_err();
    black_box(failure.to_string());
}

type Side = (&'static str, fn(&Head));

const SIDES: [Side; 3] = [
    ("request", refuse_request),
    ("request to a thousand callers", refuse_stranger),
    ("answer", refuse_answer),
];

#[test]
fn memory_is_bounded_by_the_size_of_the_head() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    LazyLock::force(&SERVERS);
    for (name, head) in KINDS {
        for size in [1 << 10, 1 << 13, 1 << 16] {
            let head = head(size);
            for (side, refuse) in SIDES {
                let before = ALLOCATOR.current_usage();
                ALLOCATOR.reset_peak_usage();
                refuse(&head);
                let taken = ALLOCATOR.peak_usage().saturating_sub(before);
                let most = MEMORY * size + FIXED;
                assert!(taken <= most, "{side} of {size} bytes, {name}: {taken} bytes");
            }
        }
    }
}

#[test]
fn work_is_linear_in_the_size_of_the_head() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, head) in KINDS {
        let (small, large) = (head(1 << 12), head(GROWTH << 12));
        for (side, refuse) in SIDES {
            let (few, many) = (time(refuse, &small), time(refuse, &large));
            assert!(many <= few * MOST_GROWTH, "{side}, {name}: {few:?}, {many:?}");
        }
    }
}

fn time(refuse: fn(&Head), head: &Head) -> Duration {
    let start = cpu_time();
    for count in 1.. {
        refuse(head);
        let spent = cpu_time() - start;
        if spent >= ENOUGH {
            return spent / count;
        }
    }
    Duration::MAX
}

/// CPU time on Linux, elapsed time elsewhere.
fn cpu_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = text.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
