// SPDX-License-Identifier: MIT
//
// tokio-peer: the benchmarks of bench/runtime, done by Tokio. Same names, same work, same counts,
// one JSON object a line; bench/lib/rows_runtime.py compares.
//
//   tokio-peer suite multi|current WORKERS WARM_UPS REPETITIONS [NAME,...]
//   tokio-peer memory multi|current WORKERS pending|sleep|oneshot|buf4k
//   tokio-peer echo multi|current WORKERS PORT

mod channels;
mod echo;
mod fork_join;
mod harness;
mod locks;
mod memory;
mod scheduler;
mod timers;

use harness::{fail, InstructionCounter, Settings, Suite};

fn number(words: &[String], index: usize) -> usize {
    match words.get(index).and_then(|word| word.parse().ok()) {
        Some(value) => value,
        None => fail("a number is missing: see the top of main.rs"),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_current_thread = match words.get(1).map(String::as_str) {
        Some("current") => true,
        Some("multi") => false,
        _ => fail("the flavour is multi or current: see the top of main.rs"),
    };
    let mut settings = Settings {
        is_current_thread,
        workers: number(&words, 2),
        warm_ups: 0,
        repetitions: 1,
        filters: Vec::new(),
    };
    match words[0].as_str() {
        "suite" => {
            settings.warm_ups = number(&words, 3);
            settings.repetitions = number(&words, 4).max(1);
            if let Some(names) = words.get(5) {
                settings.filters = names.split(',').map(str::to_string).collect();
            }
            InstructionCounter::open();
            let suite = Suite::new(settings);
            scheduler::run(&suite);
            channels::run(&suite);
            locks::run(&suite);
            timers::run(&suite);
            fork_join::run(&suite);
        }
        "memory" => match words.get(3) {
            Some(kind) => memory::measure(&settings, kind),
            None => fail("memory: name one kind of task"),
        },
        "echo" => echo::run(&settings, number(&words, 3) as u16),
        _ => fail("the command is suite, memory or echo: see the top of main.rs"),
    }
}
