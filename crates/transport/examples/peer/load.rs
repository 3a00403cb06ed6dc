//! Replays one HTTP/1.1 request, as fast as possible (closed loop) or at a fixed rate (open loop).
//!
//! Open-loop times count from when a request was due, which avoids "coordinated omission".

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::report::Report;

pub(crate) fn main() {
    // Wakes sleeping threads on time, not up to 50 µs late.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let mut idle = Vec::new();
    super::answer_commands(|command| {
        if command["idle"].is_u64() {
            return local.block_on(&runtime, open_idle(command, &mut idle));
        }
        local.block_on(&runtime, run(command))
    });
}

async fn open_idle(command: &Value, idle: &mut Vec<Connection>) -> Value {
    let target = Target::of(command);
    idle.clear();
    for _ in 0..command["idle"].as_u64().unwrap() {
        let mut connection = Connection::open(&target.address).await.unwrap();
        connection.exchange(&target.request).await.unwrap();
        idle.push(connection);
    }
    json!({ "idle": idle.len() })
}

struct Target {
    address: String,
    request: Vec<u8>,
}

impl Target {
    fn of(command: &Value) -> Self {
        let port = super::number(command, "port").unwrap();
        Self { address: format!("127.0.0.1:{port}"), request: super::file(command, "request") }
    }
}

async fn run(command: &Value) -> Value {
    let target = Rc::new(Target::of(command));
    let connections = super::number(command, "inFlight").unwrap() as usize;
    let time = Duration::from_secs_f64(super::number(command, "seconds").unwrap());
    let due = Rc::new(Due::new(super::number(command, "rate"), time));
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(&target.address).await.unwrap());
    }
    let report = Rc::new(RefCell::new(Report::start()));
    due.start();
    let senders: Vec<_> = open
        .into_iter()
        .map(|connection| {
            let (target, due, report) = (target.clone(), due.clone(), report.clone());
            tokio::task::spawn_local(send(connection, target, due, report))
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    report.borrow_mut().finish()
}

async fn send(
    mut connection: Connection,
    target: Rc<Target>,
    due: Rc<Due>,
    report: Rc<RefCell<Report>>,
) {
    while let Some(since) = due.next().await {
        let result = connection.exchange(&target.request).await;
        report.borrow_mut().add(since, matches!(result, Ok(200)));
        if result.is_err() || connection.ends {
            connection = Connection::open(&target.address).await.unwrap();
        }
    }
}

struct Due {
    rate: Option<f64>,
    time: Duration,
    end: Cell<Instant>,
    waiting: RefCell<VecDeque<Instant>>,
    over: Cell<bool>,
    more: Notify,
}

impl Due {
    fn new(rate: Option<f64>, time: Duration) -> Self {
        Self {
            rate,
            time,
            end: Cell::new(Instant::now()),
            waiting: RefCell::default(),
            over: Cell::new(false),
            more: Notify::new(),
        }
    }

    fn start(self: &Rc<Self>) {
        self.end.set(Instant::now() + self.time);
        let Some(rate) = self.rate else { return };
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let time = self.time;
        // tokio's timers are exact only to a millisecond.
        std::thread::spawn(move || tick(rate, time, &sender));
        let due = Rc::clone(self);
        tokio::task::spawn_local(async move {
            while let Some(instant) = receiver.recv().await {
                due.waiting.borrow_mut().push_back(instant);
                due.more.notify_one();
            }
            due.over.set(true);
            due.more.notify_waiters();
        });
    }

    async fn next(&self) -> Option<Instant> {
        if self.rate.is_none() {
            let now = Instant::now();
            return (now < self.end.get()).then_some(now);
        }
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            if next.is_some() || self.over.get() {
                return next;
            }
            self.more.notified().await;
        }
    }
}

fn tick(rate: f64, time: Duration, sender: &mpsc::UnboundedSender<Instant>) {
    let start = Instant::now();
    let count = (rate * time.as_secs_f64()) as u64;
    for index in 0..count {
        let due = start + Duration::from_secs_f64(index as f64 / rate);
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        if sender.send(due).is_err() {
            return;
        }
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    ends: bool,
}

impl Connection {
    async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new(), ends: false })
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let length = header(&text, "content-length").and_then(|value| value.parse().ok());
        let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        self.ends = header(&text, "connection") == Some("close");
        let mut left = (head + length).saturating_sub(self.buffer.len());
        while left > 0 {
            self.buffer.clear();
            left = left.saturating_sub(self.read().await?);
        }
        status.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.buffer.reserve(64 * 1024);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => Ok(length),
        }
    }
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}
