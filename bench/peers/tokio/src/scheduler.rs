// SPDX-License-Identifier: MIT
//
// Spawning, joining, yielding, waking; as bench/runtime/scheduler.cc.

use crate::harness::{join_all, Sample, Stopwatch, Suite};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::yield_now;

const TASKS: usize = 10_000;
const ROUNDS: usize = 20;

/// Counts tasks that end; the last one tells the driver.
struct Countdown {
    remaining: AtomicUsize,
    done: Mutex<Option<oneshot::Sender<bool>>>,
}

impl Countdown {
    fn new(tasks: usize, done: oneshot::Sender<bool>) -> Arc<Self> {
        Arc::new(Countdown { remaining: AtomicUsize::new(tasks), done: Mutex::new(Some(done)) })
    }

    fn arrive(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            let done = self.done.lock().unwrap().take().unwrap();
            done.send(true).unwrap();
        }
    }
}

async fn spawn_many_local() -> Sample {
    let stopwatch = Stopwatch::start();
    for _ in 0..ROUNDS {
        let (done, all_done) = oneshot::channel();
        let countdown = Countdown::new(TASKS, done);
        for _ in 0..TASKS {
            let countdown = Arc::clone(&countdown);
            drop(tokio::spawn(async move { countdown.arrive() }));
        }
        assert!(all_done.await.unwrap());
    }
    stopwatch.stop()
}

async fn spawn_many_join() -> Sample {
    let mut handles = Vec::with_capacity(TASKS);
    let mut joined = 0;
    let stopwatch = Stopwatch::start();
    for _ in 0..ROUNDS {
        for _ in 0..TASKS {
            handles.push(tokio::spawn(async {}));
        }
        for handle in handles.drain(..) {
            handle.await.unwrap();
            joined += 1;
        }
    }
    let sample = stopwatch.stop();
    assert_eq!(joined, ROUNDS * TASKS);
    sample
}

fn spawn_many_remote(runtime: &Runtime) -> Sample {
    let stopwatch = Stopwatch::start();
    for _ in 0..ROUNDS {
        let handles = (0..TASKS).map(|_| runtime.spawn(async {})).collect();
        runtime.block_on(join_all(handles));
    }
    stopwatch.stop()
}

async fn spawn_await(times: u64) -> Sample {
    let stopwatch = Stopwatch::start();
    for i in 0..times {
        let value = tokio::spawn(async move { i }).await.unwrap();
        assert_eq!(value, i);
    }
    stopwatch.stop()
}

fn spawn_await_remote(runtime: &Runtime, times: u64) -> Sample {
    let stopwatch = Stopwatch::start();
    for i in 0..times {
        let value = runtime.block_on(runtime.spawn(async move { i })).unwrap();
        assert_eq!(value, i);
    }
    stopwatch.stop()
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn yield_many(tasks: usize, times: usize) -> Sample {
    let stopwatch = Stopwatch::start();
    let handles = (0..tasks).map(|_| tokio::spawn(yield_times(times))).collect();
    join_all(handles).await;
    stopwatch.stop()
}

async fn yield_one(times: usize) -> Sample {
    let stopwatch = Stopwatch::start();
    yield_times(times).await;
    stopwatch.stop()
}

async fn ask(countdown: Arc<Countdown>) {
    let (ping_tx, ping_rx) = oneshot::channel::<bool>();
    let (pong_tx, pong_rx) = oneshot::channel::<bool>();
    drop(tokio::spawn(async move {
        ping_rx.await.unwrap();
        pong_tx.send(true).unwrap();
    }));
    ping_tx.send(true).unwrap();
    pong_rx.await.unwrap();
    countdown.arrive();
}

async fn ping_pong(pairs: usize) -> Sample {
    let stopwatch = Stopwatch::start();
    for _ in 0..ROUNDS {
        let (done, all_done) = oneshot::channel();
        let countdown = Countdown::new(pairs, done);
        for _ in 0..pairs {
            drop(tokio::spawn(ask(Arc::clone(&countdown))));
        }
        assert!(all_done.await.unwrap());
    }
    stopwatch.stop()
}

/// Spawns a task that spawns the next, so many in all.
fn link(done: oneshot::Sender<bool>, more: usize) {
    if more == 0 {
        done.send(true).unwrap();
    } else {
        drop(tokio::spawn(async move { link(done, more - 1) }));
    }
}

async fn chained_spawn(depth: usize) -> Sample {
    let stopwatch = Stopwatch::start();
    for _ in 0..ROUNDS {
        let (done, all_done) = oneshot::channel();
        link(done, depth);
        assert!(all_done.await.unwrap());
    }
    stopwatch.stop()
}

pub fn run(suite: &Suite) {
    suite.task("spawn_many_local", ROUNDS * TASKS, spawn_many_local);
    suite.task("spawn_many_join", ROUNDS * TASKS, spawn_many_join);
    suite.outside("spawn_many_remote", ROUNDS * TASKS, spawn_many_remote);
    suite.task("spawn_await", 100_000, || spawn_await(100_000));
    suite.outside("spawn_await_remote", 10_000, |runtime| spawn_await_remote(runtime, 10_000));
    suite.task("yield_many", 200_000, || yield_many(200, 1_000));
    suite.task("yield_one", 1_000_000, || yield_one(1_000_000));
    suite.task("ping_pong", ROUNDS * 1_000, || ping_pong(1_000));
    suite.task("chained_spawn", ROUNDS * 1_000, || chained_spawn(1_000));
}
