//! Costs of each stage of a call, without sockets.

use std::hint::black_box;
use std::time::{Duration, Instant};

use backwater_etf::{DecodeOptions, Decoder, Encoder, Tape};
use backwater_protocol::Secrets;
use backwater_protocol::client::{self, Extensions, RequestPath, prepare_request};
use backwater_protocol::server::{self, Exposure, Lookup, ResponseTerm, respond};
use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Value, json};

/// The fastest round counts, because other work slows rounds down.
const ROUNDS: u32 = 40;
const ROUND: Duration = Duration::from_millis(5);

pub(crate) fn main() {
    super::answer_commands(|command| {
        let threshold = super::number(command, "compressionThreshold").unwrap_or(4e9) as usize;
        stages(super::file(command, "arguments"), threshold)
    });
}

struct Everything;

impl Exposure for Everything {
    type Function = u32;

    fn lookup(&self, _module: &str, _function: &str, _arity: u8) -> Lookup<u32> {
        Lookup::Found(0)
    }
}

fn stages(arguments: Vec<u8>, compression_threshold: usize) -> Value {
    let secrets = || Secrets::new([b"the secret of the benchmarks, 32+".to_vec()]).unwrap();
    let most = 1 << 27;
    let client_settings = client::Settings {
        compression_threshold,
        max_encoded_args_size: most,
        max_encoded_result_size: most,
        ..client::Settings::new(secrets())
    };
    let server_settings = server::Settings {
        compression_threshold,
        max_encoded_args_size: most,
        max_encoded_result_size: most,
        ..server::Settings::new(secrets())
    };
    let options = DecodeOptions::default();
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new());
    let mut tape = Tape::default();
    let decode_alone = fastest(|| {
        tape.clear();
        decoder.decode(&arguments, &options, &mut tape).unwrap();
    });
    let mut encoded = Vec::new();
    let encode_alone = fastest(|| {
        encoded.clear();
        let limits = backwater_etf::EncodeOptions { max_size: most, ..Default::default() };
        encoder.encode_term(tape.as_tape_ref(&arguments), &limits, &mut encoded).unwrap();
    });

    let path = RequestPath::new("bench", "echo", 1);
    let host = HeaderValue::from_static("127.0.0.1:8080");
    let mut prepare = || {
        let terms = tape.as_tape_ref(&arguments);
        prepare_request(&path, &host, terms, &mut encoder, &client_settings).unwrap()
    };
    let prepare_time = fastest(|| drop(black_box(prepare())));
    let prepared = prepare();
    let sign = || prepared.sign([7; 16], Extensions::default());
    let sign_time = fastest(|| drop(black_box(sign())));
    let (head, body) = sign().into_parts();
    let target = head.uri.path();

    let authenticate = || {
        server::authenticate(&head.method, target, &head.headers, &server_settings)
            .unwrap()
            .route(&Everything)
            .unwrap()
            .negotiate()
            .unwrap()
            .expect_body(Some(body.len() as u64))
            .unwrap()
    };
    let authenticate_time = fastest(|| drop(black_box(authenticate())));
    let verify_time = fastest(|| drop(black_box(authenticate().verify(body.clone()).unwrap())))
        - authenticate_time;
    let verified = || authenticate().verify(body.clone()).unwrap();
    let inflate_time = fastest(|| drop(black_box(verified().inflate().unwrap())))
        - authenticate_time
        - verify_time;
    let mut read = Tape::default();
    let mut call = || {
        read.clear();
        verified().inflate().unwrap().decode(&mut decoder, &options, &mut read).unwrap()
    };
    let context = call().context;
    let mut answer = || {
        let term = ResponseTerm::Return(tape.as_tape_ref(&arguments));
        respond(&context, term, &mut encoder, &server_settings).unwrap()
    };
    let respond_time = fastest(|| drop(black_box(answer())));
    let (answer_head, answer_body): (_, Bytes) = answer().into_parts();
    let check_time = fastest(|| {
        let status = answer_head.status;
        let headers = &answer_head.headers;
        let secrets = &client_settings.secrets;
        black_box(client::authenticate(status, headers, secrets, [7; 16]).unwrap());
    });
    json!({
        "bytes": arguments.len(),
        "sent": body.len(),
        "answered": answer_body.len(),
        "decode": decode_alone,
        "encode": encode_alone,
        "prepare request": prepare_time,
        "sign request": sign_time,
        "check request": authenticate_time,
        "digest": verify_time,
        "inflate": inflate_time.max(0.0),
        "encode and sign response": respond_time,
        "check response": check_time,
    })
}

/// Microseconds per execution.
fn fastest(mut action: impl FnMut()) -> f64 {
    action();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < ROUND {
            for _ in 0..4 {
                action();
            }
            count += 4;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    best
}
