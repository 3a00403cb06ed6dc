use backwater_etf::{DecodeOptions, Decoder, Encoder, Tape};
use backwater_protocol::Secrets;
use backwater_protocol::client::{self, Outcome};
use backwater_protocol::server::{self, Call, Exposure, Lookup, Refusal, ResponseTerm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::signing::SECRET;

const MAX_SIZE: usize = 64 * 1024;

fn secrets() -> Secrets {
    match Secrets::new([SECRET.as_bytes().to_vec()]) {
        Ok(secrets) => secrets,
        Err(error) => unreachable!("{error}"),
    }
}

pub(crate) fn server_settings() -> server::Settings {
    server::Settings {
        max_encoded_args_size: MAX_SIZE,
        max_encoded_result_size: MAX_SIZE,
        ..server::Settings::new(secrets())
    }
}

pub(crate) fn client_settings() -> client::Settings {
    client::Settings { max_encoded_result_size: MAX_SIZE, ..client::Settings::new(secrets()) }
}

struct Exposed;

impl Exposure for Exposed {
    type Function = ();

    fn lookup(&self, module: &str, function: &str, _: u8) -> Lookup<()> {
        match (module, function) {
            ("hidden", _) => Lookup::ModuleNotExposed,
            (_, "missing") => Lookup::FunctionNotFound,
            _ => Lookup::Found(()),
        }
    }
}

pub(crate) fn serve(
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Bytes> {
    let settings = server_settings();
    let mut tape = Tape::default();
    match call(method, target, headers, body, &settings, &mut tape) {
        Ok(call) => {
            let term = ResponseTerm::Return(tape.as_tape_ref(&call.source));
            let mut encoder = Encoder::default();
            let Ok(response) = server::respond(&call.context, term, &mut encoder, &settings) else {
                // The result is too large.
                return Response::default();
            };
            check_answer(headers, &response, StatusCode::OK);
            response
        }
        Err(refusal) => {
            let status = refusal.status();
            let response = refusal.into_response(&settings);
            assert_eq!(response.headers()["connection"], "close");
            if response.headers().contains_key("signature") {
                check_answer(headers, &response, status);
            } else {
                assert!(status == 404 || status == 401, "a refusal of {status} is not signed");
            }
            response
        }
    }
}

pub(crate) fn call(
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    body: Bytes,
    settings: &server::Settings,
    tape: &mut Tape,
) -> Result<Call<()>, Refusal> {
    server::authenticate(method, target, headers, settings)?
        .route(&Exposed)?
        .negotiate()?
        .expect_body(Some(body.len() as u64))?
        .verify(body)?
        .inflate()?
        .decode(&mut Decoder::new(), &DecodeOptions::default(), tape)
}

fn check_answer(request: &HeaderMap, response: &Response<Bytes>, status: StatusCode) {
    assert_eq!(response.status(), status);
    let id = request.get("x-request-id").and_then(|id| STANDARD.decode(id.as_bytes()).ok());
    let Some(id) = id.and_then(|id| <[u8; 16]>::try_from(id).ok()) else { return };
    let (authentic, outcome) =
        receive(status, response.headers(), response.body().clone(), id, MAX_SIZE);
    let same_id = request["x-request-id"].as_bytes() == STANDARD.encode(id).as_bytes();
    assert!(authentic || !same_id, "the client rejects the server's answer");
    if same_id && status == StatusCode::OK {
        assert!(matches!(outcome, Some(Outcome::Return { .. })), "an answer cannot be read");
    }
}

pub(crate) fn receive(
    status: StatusCode,
    headers: &HeaderMap,
    body: Bytes,
    id: [u8; 16],
    limit: usize,
) -> (bool, Option<Outcome>) {
    let settings = client_settings();
    let verified = client::authenticate(status, headers, &settings.secrets, id)
        .and_then(|head| head.verify(body));
    let Ok(verified) = verified else { return (false, None) };
    let Ok(checked) = verified.check_status() else { return (true, None) };
    let mut tape = Tape::default();
    let outcome =
        checked.accept().and_then(|accepted| accepted.inflate(limit)).and_then(|payload| {
            payload.decode(&mut Decoder::new(), &DecodeOptions::default(), &mut tape)
        });
    (true, outcome.ok().map(|(outcome, _)| outcome))
}
