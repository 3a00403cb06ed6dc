//! Measures whether timing reveals where a signature is wrong: `npm run bench -- timing`. As in
//! dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017), |t| > 4.5 in
//! Welch's test means that wrong first and wrong last bytes take different times.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use backwater_protocol::{Secrets, client};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode};
use ring::hmac;

const ID: [u8; 16] = *b"sixteen bytes id";
const SECRET: &[u8] = b"a secret of more than 32 bytes for the benchmark";
const LIST: &str = "(response-status) content-length content-type digest x-request-id";

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let secrets = Secrets::new([SECRET.to_vec()]).unwrap();
    let tag = signature();
    let wrong = [0, tag.len() - 1].map(|at| {
        let mut wrong = tag.clone();
        wrong[at] ^= 1;
        wrong
    });
    let texts = wrong.clone().map(|tag| parameters(&tag));
    report("verify", count, &texts, |headers| {
        client::authenticate(StatusCode::OK, headers, &secrets, ID).is_err()
    });
    // The same class twice measures noise.
    let same = [texts[0].clone(), texts[0].clone()];
    report("verify, no difference", count, &same, |headers| {
        client::authenticate(StatusCode::OK, headers, &secrets, ID).is_err()
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let text = signing_string();
    report("comparison that stops early", count, &texts, |headers| {
        let given = headers["signature"].as_bytes();
        let given = &given[given.len() - 1 - STANDARD.encode([0; 32]).len()..given.len() - 1];
        let given = STANDARD.decode(given).unwrap();
        !stops_early(hmac::sign(&key, &text).as_ref(), &given)
    });
}

fn stops_early(own: &[u8], given: &[u8]) -> bool {
    own.iter().zip(given).all(|(own, given)| black_box(own) == black_box(given))
}

fn signing_string() -> Vec<u8> {
    let id = STANDARD.encode(ID);
    let lines = [
        "(response-status): 200",
        "content-length: 0",
        "content-type: application/x-erlang-etf",
        "digest: SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ];
    format!("{}\nx-request-id: {id}", lines.join("\n")).into_bytes()
}

fn signature() -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &signing_string()).as_ref().to_vec()
}

fn parameters(tag: &[u8]) -> String {
    let signature = STANDARD.encode(tag);
    format!(
        "algorithm=\"hmac-sha256\",headers=\"{LIST}\",keyId=\"default\",signature=\"{signature}\""
    )
}

fn response() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-length", HeaderValue::from_static("0"));
    headers.insert("content-type", HeaderValue::from_static("application/x-erlang-etf"));
    headers.insert(
        "digest",
        HeaderValue::from_static("SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    );
    headers.insert("x-request-id", HeaderValue::try_from(STANDARD.encode(ID)).unwrap());
    headers
}

fn report(what: &str, count: usize, texts: &[String; 2], work: impl Fn(&HeaderMap) -> bool) {
    let mut headers = response();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for round in 0..count + count / 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let class = (state >> 40) as usize & 1;
        // Both classes use the same memory, because its address matters.
        headers.insert("signature", HeaderValue::from_str(&texts[class]).unwrap());
        let start = Instant::now();
        assert!(black_box(work(black_box(&headers))), "a wrong signature is taken");
        let time = start.elapsed().as_nanos() as f64;
        // The first tenth warms up.
        if round > count / 10 {
            times[class].push(time);
        }
    }
    let limits = [0.5, 0.75, 0.9, 0.95, 0.99, 1.0].map(|part| percentile(&times, part));
    // Interrupts lengthen some times, so try several limits, as dudect does.
    let t = limits.iter().map(|limit| welch(&times, *limit)).fold(0.0, f64::max);
    let [first, last] = [0, 1].map(|class| mean(&times[class], limits[3]));
    println!(
        "{{\"what\":\"{what}\",\"measurements\":{},\"first\":{first:.2},\"last\":{last:.2},\"t\":{t:.2}}}",
        times[0].len() + times[1].len()
    );
}

fn percentile(times: &[Vec<f64>; 2], part: f64) -> f64 {
    let mut all = times.concat();
    all.sort_unstable_by(f64::total_cmp);
    all[((all.len() - 1) as f64 * part) as usize]
}

fn mean(times: &[f64], limit: f64) -> f64 {
    let (count, sum) = times
        .iter()
        .filter(|time| **time <= limit)
        .fold((0.0, 0.0), |(count, sum), time| (count + 1.0, sum + time));
    sum / count
}

/// Welch's |t| over the times up to `limit`.
fn welch(times: &[Vec<f64>; 2], limit: f64) -> f64 {
    let [(mean_a, error_a), (mean_b, error_b)] = [0, 1].map(|class| {
        let mean = mean(&times[class], limit);
        let (count, squares) = times[class]
            .iter()
            .filter(|time| **time <= limit)
            .fold((0.0, 0.0), |(count, sum), time| (count + 1.0, sum + (time - mean).powi(2)));
        (mean, squares / (count - 1.0) / count)
    });
    ((mean_a - mean_b) / (error_a + error_b).sqrt()).abs()
}
