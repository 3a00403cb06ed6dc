//! Tools for benchmarks. They read JSON commands and write JSON answers, one per line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a tool: what goes wrong ends it")]

mod call;
mod canned;
mod load;
mod report;
mod serve;
mod stages;

use std::io::{BufRead, Write};

use serde_json::Value;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("serve") => serve::main(),
        Some("call") => call::main(),
        Some("load") => load::main(),
        Some("canned") => canned::main(),
        Some("stages") => stages::main(),
        _ => {
            eprintln!("usage: peer serve|call|load|canned|stages");
            std::process::exit(2);
        }
    }
}

fn answer_commands(mut answer: impl FnMut(&Value) -> Value) {
    for line in std::io::stdin().lock().lines() {
        let command = serde_json::from_str(&line.unwrap()).unwrap();
        say(&answer(&command));
    }
}

fn say(answer: &Value) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{answer}").unwrap();
    output.flush().unwrap();
}

fn text(command: &Value, name: &str) -> String {
    command[name].as_str().unwrap_or_else(|| panic!("{name} is missing")).to_owned()
}

fn number(command: &Value, name: &str) -> Option<f64> {
    command[name].as_f64()
}

fn file(command: &Value, name: &str) -> Vec<u8> {
    std::fs::read(text(command, name)).unwrap()
}
