use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use backwater_transport::{
    Answer, CallError, CallFailure, CallRequest, Client, ItemStream, OnTaken, OwnedTape, Reply,
    StreamEvent, StreamTerm,
};

use super::{arguments, request};

/// The dispatcher in JavaScript keeps as many lists in flight.
const AHEAD: usize = 2;

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub lists: usize,
    pub items: usize,
    pub size: usize,
}

impl Plan {
    pub fn new(lists: usize, items: usize, size: usize) -> Self {
        Self { lists, items, size }
    }

    pub fn text(self) -> String {
        format!("{}x{}x{}", self.lists, self.items, self.size)
    }

    pub fn parse(text: &str) -> Self {
        let mut numbers = text.split('x').map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Self::new(next(), next(), next())
    }

    pub fn total(self) -> usize {
        self.lists * self.items
    }

    pub fn request(self) -> CallRequest {
        let mut request = request("count", arguments(&self.text()));
        request.stream = true;
        request
    }
}

pub fn list(texts: &[String]) -> OwnedTape {
    let words = texts.iter().map(|text| (text.len() as u32) << 4 | 15);
    // An empty list is a constant.
    let head = if texts.is_empty() { 4 << 4 | 5 } else { (texts.len() as u32) << 4 | 3 };
    OwnedTape {
        words: [head].into_iter().chain(words).collect(),
        text: texts.concat().into_bytes(),
        ..OwnedTape::default()
    }
}

pub fn item(number: usize, size: usize) -> String {
    let digits = number.to_string();
    "0".repeat(size - digits.len()) + &digits
}

pub struct Generator {
    plan: Plan,
    on_taken: Mutex<Option<OnTaken>>,
    /// `None` once it has ended.
    reply: Mutex<Option<Reply>>,
    credits: AtomicUsize,
    made: AtomicUsize,
    ended: AtomicBool,
    abandoned: AtomicBool,
}

impl Generator {
    pub fn start(mut reply: Reply, plan: Plan) -> Arc<Self> {
        let generator = Arc::new(Self {
            plan,
            on_taken: Mutex::default(),
            reply: Mutex::default(),
            credits: AtomicUsize::new(AHEAD),
            made: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        });
        if reply.wake_when_abandoned(&Arc::new(Abandoned(Arc::clone(&generator))).into()) {
            generator.abandoned.store(true, Ordering::SeqCst);
        }
        *generator.reply.lock().unwrap() = Some(reply);
        let weak = Arc::downgrade(&generator);
        let on_taken: OnTaken = Arc::new(move || {
            if let Some(generator) = weak.upgrade() {
                generator.credits.fetch_add(1, Ordering::SeqCst);
                generator.go_on();
            }
        });
        *generator.on_taken.lock().unwrap() = Some(on_taken);
        generator.go_on();
        generator
    }

    pub fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// Also true if the caller has gone away.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    fn go_on(&self) {
        // Whoever holds the lock sees the changes.
        while self.credits.load(Ordering::SeqCst) > 0 || self.is_abandoned() {
            let Ok(mut reply) = self.reply.try_lock() else { return };
            if reply.is_none() {
                return;
            }
            self.step(&mut reply);
        }
    }

    fn step(&self, held: &mut Option<Reply>) {
        let Plan { lists, items, size } = self.plan;
        let made = self.made();
        if self.is_abandoned() || made == lists {
            self.ended.store(true, Ordering::SeqCst);
            if let Some(reply) = held.take() {
                reply.end();
            }
            return;
        }
        self.credits.fetch_sub(1, Ordering::SeqCst);
        self.made.store(made + 1, Ordering::SeqCst);
        let texts: Vec<_> =
            (made * items..(made + 1) * items).map(|number| item(number, size)).collect();
        let on_taken = self.on_taken.lock().unwrap().clone();
        if let (Some(reply), Some(on_taken)) = (held, on_taken) {
            reply.push(Box::new(list(&texts)), &on_taken);
        }
    }
}

struct Abandoned(Arc<Generator>);

impl Wake for Abandoned {
    fn wake(self: Arc<Self>) {
        self.0.abandoned.store(true, Ordering::SeqCst);
        self.0.go_on();
    }
}

pub async fn open(client: &Client, request: CallRequest) -> Result<Box<ItemStream>, CallError> {
    match client.stream(request).await {
        Ok(Answer::Stream(stream)) => Ok(stream),
        Ok(Answer::Whole(outcome)) => panic!("not a stream: {:?}", outcome.outcome),
        Err(CallFailure { error, .. }) => Err(error),
    }
}

pub fn texts(term: &StreamTerm, size: usize) -> Vec<String> {
    let text = String::from_utf8(term.tape.latin1.clone()).unwrap();
    assert_eq!(term.tape.list_arity(), Some(text.len() / size));
    (0..text.len() / size).map(|place| text[place * size..(place + 1) * size].to_owned()).collect()
}

#[derive(Debug)]
pub enum End {
    Clean(u64),
    Exception(Vec<String>),
    Failed(CallError),
}

pub async fn read_all(mut stream: Box<ItemStream>, size: usize) -> (Vec<String>, End) {
    let mut items = Vec::new();
    loop {
        match stream.next().await {
            Ok(StreamEvent::Items(term)) => items.extend(texts(&term, size)),
            Ok(StreamEvent::End(count)) => return (items, End::Clean(count)),
            Ok(StreamEvent::Exception(term)) => return (items, End::Exception(atoms(&term))),
            Err(failure) => return (items, End::Failed(failure.error)),
        }
    }
}

fn atoms(term: &StreamTerm) -> Vec<String> {
    let mut names = &term.tape.names[..];
    let lengths = term.tape.atoms.iter().map(|length| *length as usize);
    lengths
        .map(|length| {
            let (name, rest) = names.split_at(length);
            names = rest;
            String::from_utf8(name.to_vec()).unwrap()
        })
        .collect()
}
