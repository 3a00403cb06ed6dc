//! The object that JavaScript holds, one per environment.

use std::rc::Rc;
use std::time::Duration;

use backwater_protocol::client::Outcome;
use napi::bindgen_prelude::{Buffer, Either, Float64Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Error, Result};
use napi_derive::napi;

use crate::codec::decoder::{self, SharedDecoder};
use crate::codec::encoder;
use crate::environment::Environment;
use crate::errors::Failure;
use crate::event_queue::Wake;
use crate::http_codec::{self, DecodedResponse, SignedRequest};
use crate::known_atoms::know_atom;
use crate::options::{
    CallerSecrets, ClientOptions, Endpoint, RequestOptions, ResolveFailure, ResponseOptions,
    ServerOptions, callers, checked_callers, secrets,
};
use crate::served_calls::CallerFields;
use crate::shared_buffers::SharedBuffers;
use crate::stats::{ClientFigures, ServerAddress, ServerFigures};
use crate::{faults, io_threads, tls};

#[napi]
pub struct Bridge {
    environment: Rc<Environment>,
}

#[napi]
impl Bridge {
    /// `wake` runs on the JavaScript thread when there are events, and must not throw.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "() => void")] wake: Wake,
        libuv: bool,
    ) -> Result<Self> {
        Ok(Self { environment: Environment::new(&env, wake, libuv)? })
    }

    #[napi(catch_unwind)]
    pub fn attach_job_buffers(&self, words: Uint32Array, floats: Float64Array, bytes: Uint8Array) {
        self.environment.job_buffers.replace(Some(SharedBuffers::new(words, floats, bytes)));
    }

    #[napi(catch_unwind)]
    pub fn attach_event_buffers(
        &self,
        words: Uint32Array,
        floats: Float64Array,
        bytes: Uint8Array,
    ) {
        self.environment.event_buffers.replace(Some(SharedBuffers::new(words, floats, bytes)));
    }

    #[napi(catch_unwind)]
    pub fn attach_encoder_buffers(
        &self,
        words: Uint32Array,
        floats: Float64Array,
        bytes: Uint8Array,
    ) {
        self.environment.encoder.buffers.replace(Some(SharedBuffers::new(words, floats, bytes)));
    }

    #[napi(catch_unwind)]
    pub fn attach_encoder_results(&self, results: Uint8Array) {
        self.environment.encoder.results.replace(Some(results));
    }

    #[napi(catch_unwind)]
    pub fn install_encoder(
        &self,
        env: Env,
        target: Object<'_>,
        control: Uint32Array,
    ) -> Result<()> {
        encoder::install(env, &self.environment.encoder, &target, control)
    }

    /// The decoder reads `control` and `input`, and writes tapes to the other arrays.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // These cross once.
    pub fn install_decoder(
        &self,
        env: Env,
        target: Object<'_>,
        control: Uint32Array,
        words: Uint32Array,
        floats: Float64Array,
        bytes: Uint8Array,
        input: Uint8Array,
    ) -> Result<()> {
        let buffers = SharedBuffers::new(words, floats, bytes);
        let large = Rc::clone(&self.environment.large);
        decoder::install(env, &target, SharedDecoder::new(control, buffers, input, large))
    }

    #[napi(catch_unwind)]
    pub fn know_atom(&self, name: String) {
        know_atom(&name);
    }

    /// Copies the large binary at `index` of the current batch. Drops later binaries, which an
    /// abandoned job has left.
    #[napi(catch_unwind)]
    pub fn put_out_of_band(&self, index: u32, bytes: &[u8]) {
        self.environment.put_out_of_band(index as usize, bytes);
    }

    /// Takes the jobs in the first `words`, `floats`, `bytes` and out-of-band `buffers`.
    #[napi(catch_unwind)]
    pub fn flush(&self, words: u32, floats: u32, bytes: u32, buffers: u32) -> Result<()> {
        let (words, floats, bytes) = (words as usize, floats as usize, bytes as usize);
        self.environment.flush(words, floats, bytes, buffers as usize)
    }

    #[napi(catch_unwind)]
    pub fn drain(&self) -> Result<u32> {
        self.environment.drain()
    }

    #[napi(catch_unwind)]
    pub fn take_failure(&self, index: u32) -> Result<Failure> {
        let failure = self.environment.take_failure(index as usize);
        failure.ok_or_else(|| Error::from_reason("no such failure"))
    }

    /// Wakes JavaScript after a turn of the event loop.
    #[napi(catch_unwind)]
    pub fn wake_later(&self) -> Result<()> {
        self.environment.wake_later()
    }

    #[napi(catch_unwind)]
    pub fn keep_alive(&self, env: Env, alive: bool) -> Result<()> {
        self.environment.events.keep_alive(&env, alive)
    }

    #[napi(catch_unwind)]
    pub fn spin(&self, microseconds: u32) -> bool {
        self.environment.spin(Duration::from_micros(microseconds.into()))
    }

    /// The maximum of all environments applies.
    #[napi(catch_unwind)]
    pub fn set_io_spin(&self, microseconds: u32) {
        io_threads::set_spin(&self.environment.events, microseconds);
    }

    #[napi(catch_unwind)]
    pub fn reserve_server(&self, workers: bool) -> Result<u32> {
        self.environment.servers.reserve(workers)
    }

    #[napi(catch_unwind)]
    pub fn attach_server(&self, server: u32, slot: u32) -> Result<()> {
        self.environment.workers.join(server, slot)
    }

    #[napi(catch_unwind)]
    pub fn start_server(
        &self,
        server: u32,
        options: ServerOptions,
        allowed_callers: Vec<CallerSecrets>,
        operation: u32,
    ) -> Result<()> {
        let callers = checked_callers(&allowed_callers)?;
        self.environment.servers.start(server, options, callers, operation)
    }

    #[napi(catch_unwind)]
    pub fn server_address(&self, server: u32) -> Option<ServerAddress> {
        self.environment.servers.address(server)
    }

    #[napi(catch_unwind)]
    pub fn server_stats(&self, server: u32) -> ServerFigures {
        faults::pass("function");
        self.environment.servers.stats(server)
    }

    #[napi(catch_unwind)]
    pub fn caller(&self, call: u32) -> Option<CallerFields> {
        self.environment.served.caller(call)
    }

    /// If the caller is no longer waiting, removes the call, and refuses it if its deadline has
    /// passed.
    #[napi(catch_unwind)]
    pub fn is_waited_for(&self, call: u32) -> bool {
        self.environment.served.is_waited_for(call)
    }

    /// Sends an event when the caller goes away or its deadline passes. If it is already gone,
    /// returns whether its deadline has passed.
    #[napi(catch_unwind)]
    pub fn watch_caller(&self, call: u32) -> Option<bool> {
        self.environment.served.watch(call)
    }

    #[napi(catch_unwind)]
    pub fn start_timer(&self, timer: u32, milliseconds: u32) -> Result<()> {
        self.environment.timers.start(timer, self::milliseconds(milliseconds))
    }

    #[napi(catch_unwind)]
    pub fn stop_timer(&self, timer: u32) {
        self.environment.timers.stop(timer);
    }

    #[napi(catch_unwind)]
    pub fn set_certificate(&self, server: u32, cert: String, key: String) -> Option<Failure> {
        self.environment.servers.set_certificate(server, &cert, &key)
    }

    #[napi(catch_unwind)]
    pub fn check_callers(&self, allowed_callers: Vec<CallerSecrets>) -> Result<Option<Failure>> {
        Ok(callers(&allowed_callers)?.err())
    }

    #[napi(catch_unwind)]
    pub fn set_server_callers(
        &self,
        server: u32,
        allowed_callers: Vec<CallerSecrets>,
    ) -> Result<()> {
        self.environment.servers.set_callers(server, checked_callers(&allowed_callers)?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn close_server(
        &self,
        server: u32,
        delay: u32,
        timeout: u32,
        operation: u32,
    ) -> Result<()> {
        let (delay, timeout) = (milliseconds(delay), milliseconds(timeout));
        self.environment.servers.close(server, delay, timeout, operation)
    }

    #[napi(catch_unwind)]
    pub fn create_client(
        &self,
        options: ClientOptions,
        secret_keys: Vec<Buffer>,
    ) -> Result<Either<u32, Failure>> {
        self.environment.clients.create(options, secrets(&secret_keys)?)
    }

    #[napi(catch_unwind)]
    pub fn set_endpoints(&self, client: u32, endpoints: Vec<Endpoint>) -> Result<()> {
        self.environment.clients.set_endpoints(client, endpoints)
    }

    #[napi(catch_unwind)]
    pub fn resolution_failed(&self, client: u32, failure: ResolveFailure) -> Result<()> {
        self.environment.clients.resolution_failed(client, failure)
    }

    #[napi(catch_unwind)]
    pub fn endpoints_unchanged(&self, client: u32) -> Result<()> {
        self.environment.clients.endpoints_unchanged(client)
    }

    #[napi(catch_unwind)]
    pub fn client_stats(&self, client: u32) -> Option<ClientFigures> {
        self.environment.clients.stats(client)
    }

    #[napi(catch_unwind)]
    pub fn has_trusted_roots(&self) -> bool {
        tls::has_trusted_roots()
    }

    #[napi(catch_unwind)]
    pub fn set_trusted_roots(&self, pem: String) {
        tls::set_trusted_roots(&pem);
    }

    #[napi(catch_unwind)]
    pub fn set_client_secrets(&self, client: u32, secret_keys: Vec<Buffer>) -> Result<()> {
        self.environment.clients.set_secrets(client, secrets(&secret_keys)?);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn close_client(&self, client: u32, operation: u32) -> Result<()> {
        self.environment.clients.close(client, operation)
    }

    #[napi(catch_unwind)]
    pub fn remove_client(&self, client: u32) -> Option<ClientFigures> {
        self.environment.clients.remove(client)
    }

    /// `frame` is the word where the tape starts.
    #[napi(catch_unwind)]
    pub fn encode_request(
        &self,
        options: RequestOptions,
        secret_keys: Vec<Buffer>,
        frame: u32,
        request_id: &[u8],
    ) -> Result<Either<SignedRequest, Failure>> {
        let secrets = secrets(&secret_keys)?;
        self.environment.encoder.with_tape(frame as usize, |tape| {
            http_codec::encode_request(options, secrets, tape, request_id)
        })
    }

    #[napi(catch_unwind)]
    pub fn decode_response(
        &self,
        options: ResponseOptions,
        secret_keys: Vec<Buffer>,
        body: &[u8],
    ) -> Result<Either<DecodedResponse, Failure>> {
        let decoded = http_codec::decode_response(&options, &secrets(&secret_keys)?, body);
        let (message, outcome) = match decoded {
            Ok(decoded) => decoded,
            Err(failure) => return Ok(Either::B(failure)),
        };
        let (word_offset, exception) = match outcome {
            Outcome::Return { word_offset } => (word_offset, false),
            Outcome::Exception { word_offset } => (word_offset, true),
        };
        let slot = self.environment.add_large_message(message);
        Ok(Either::A(DecodedResponse { slot, skip: word_offset as u32, exception }))
    }
}

fn milliseconds(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into())
}
