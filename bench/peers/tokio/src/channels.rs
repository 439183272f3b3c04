// SPDX-License-Identifier: MIT
//
// Channels; as bench/runtime/channels.cc.

use crate::harness::{join_all, Sample, Stopwatch, Suite};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, oneshot, watch, Notify};
use tokio::task::JoinHandle;

const MESSAGES: usize = 1_000_000;

/// What producers that send 0, 1, ... `each` - 1 send in all.
fn sum_of(producers: usize, each: usize) -> usize {
    producers * (each * (each - 1) / 2)
}

async fn mpsc_bounded(capacity: usize, producers: usize) -> Sample {
    let (tx, mut rx) = mpsc::channel::<usize>(capacity);
    let each = MESSAGES / producers;
    let stopwatch = Stopwatch::start();
    for _ in 0..producers {
        let tx = tx.clone();
        drop(tokio::spawn(async move {
            for i in 0..each {
                tx.send(i).await.unwrap();
            }
        }));
    }
    drop(tx);
    let mut sum = 0;
    while let Some(value) = rx.recv().await {
        sum += value;
    }
    let sample = stopwatch.stop();
    assert_eq!(sum, sum_of(producers, each));
    sample
}

async fn mpsc_unbounded(producers: usize) -> Sample {
    let (tx, mut rx) = mpsc::unbounded_channel::<usize>();
    let each = MESSAGES / producers;
    let stopwatch = Stopwatch::start();
    for _ in 0..producers {
        let tx = tx.clone();
        drop(tokio::spawn(async move {
            for i in 0..each {
                tx.send(i).unwrap();
            }
        }));
    }
    drop(tx);
    let mut sum = 0;
    while let Some(value) = rx.recv().await {
        sum += value;
    }
    let sample = stopwatch.stop();
    assert_eq!(sum, sum_of(producers, each));
    sample
}

async fn mpsc_same_task() -> Sample {
    let (tx, mut rx) = mpsc::channel::<usize>(1000);
    let stopwatch = Stopwatch::start();
    for i in 0..MESSAGES {
        tx.send(i).await.unwrap();
        assert_eq!(rx.recv().await, Some(i));
    }
    stopwatch.stop()
}

async fn oneshot_same_task(times: usize) -> Sample {
    let stopwatch = Stopwatch::start();
    for i in 0..times {
        let (tx, rx) = oneshot::channel::<usize>();
        tx.send(i).unwrap();
        assert_eq!(rx.await, Ok(i));
    }
    stopwatch.stop()
}

async fn oneshot_cross_task(times: usize) -> Sample {
    let stopwatch = Stopwatch::start();
    for i in 0..times {
        let (tx, rx) = oneshot::channel::<usize>();
        drop(tokio::spawn(async move { tx.send(i).unwrap() }));
        assert_eq!(rx.await, Ok(i));
    }
    stopwatch.stop()
}

/// A cheap hash, so that the map does not hide the channel.
#[derive(Default)]
pub struct MulHash(u64);

impl Hasher for MulHash {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only u64 keys are hashed");
    }
    fn write_u64(&mut self, key: u64) {
        let product = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

pub type Map = HashMap<u64, u64, BuildHasherDefault<MulHash>>;

async fn request_response(tasks: usize, each: usize) -> Sample {
    let (tx, mut rx) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(32);
    let stopwatch = Stopwatch::start();
    let manager = tokio::spawn(async move {
        let mut counters = Map::default();
        let mut served = 0;
        while let Some((key, reply)) = rx.recv().await {
            let counter = counters.entry(key % 1024).or_insert(0);
            *counter += 1;
            reply.send(*counter).unwrap();
            served += 1;
        }
        served
    });
    let clients = (0..tasks)
        .map(|client| {
            let tx = tx.clone();
            tokio::spawn(async move {
                for i in 0..each {
                    let (reply, response) = oneshot::channel();
                    let key = (client * each + i) as u64;
                    tx.send((key, reply)).await.unwrap();
                    assert!(response.await.unwrap() > 0);
                }
            })
        })
        .collect();
    drop(tx);
    join_all(clients).await;
    let served: usize = manager.await.unwrap();
    let sample = stopwatch.stop();
    assert_eq!(served, tasks * each);
    sample
}

/// The sender waits until every receiver has got what it sent.
struct Round {
    waiting: AtomicUsize,
    all_arrived: Notify,
}

impl Round {
    fn new() -> Arc<Self> {
        Arc::new(Round { waiting: AtomicUsize::new(0), all_arrived: Notify::new() })
    }

    fn begin(&self, receivers: usize) {
        self.waiting.store(receivers, Ordering::Release);
    }

    fn arrive(&self) {
        if self.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_arrived.notify_one();
        }
    }

    async fn wait(&self) {
        while self.waiting.load(Ordering::Acquire) != 0 {
            self.all_arrived.notified().await;
        }
    }
}

async fn broadcast(receivers: usize, batches: usize) -> Sample {
    const BATCH: usize = 512;
    let (tx, rx) = broadcast::channel::<usize>(1024);
    let round = Round::new();
    let handles: Vec<JoinHandle<usize>> = (0..receivers)
        .map(|_| {
            let mut rx = tx.subscribe();
            let round = Arc::clone(&round);
            tokio::spawn(async move {
                let mut received = 0;
                while rx.recv().await.is_ok() {
                    received += 1;
                    if received % BATCH == 0 {
                        round.arrive();
                    }
                }
                received
            })
        })
        .collect();
    drop(rx);
    let stopwatch = Stopwatch::start();
    for _ in 0..batches {
        round.begin(receivers);
        for i in 0..BATCH {
            tx.send(i).unwrap();
        }
        round.wait().await;
    }
    let sample = stopwatch.stop();
    drop(tx);
    for handle in handles {
        assert_eq!(handle.await.unwrap(), BATCH * batches);
    }
    sample
}

async fn watch(receivers: usize, rounds: usize) -> Sample {
    let (tx, rx) = watch::channel(0usize);
    let round = Round::new();
    let handles: Vec<JoinHandle<usize>> = (0..receivers)
        .map(|_| {
            let mut rx = rx.clone();
            let round = Arc::clone(&round);
            tokio::spawn(async move {
                let mut sum = 0;
                while rx.changed().await.is_ok() {
                    sum += *rx.borrow_and_update();
                    round.arrive();
                }
                sum
            })
        })
        .collect();
    drop(rx);
    let stopwatch = Stopwatch::start();
    for i in 0..rounds {
        round.begin(receivers);
        tx.send(i).unwrap();
        round.wait().await;
    }
    let sample = stopwatch.stop();
    drop(tx);
    for handle in handles {
        assert_eq!(handle.await.unwrap(), rounds * (rounds - 1) / 2);
    }
    sample
}

pub fn run(suite: &Suite) {
    suite.task("mpsc_b32_1p", MESSAGES, || mpsc_bounded(32, 1));
    suite.task("mpsc_b32_4p", MESSAGES, || mpsc_bounded(32, 4));
    suite.task("mpsc_b1000_1p", MESSAGES, || mpsc_bounded(1000, 1));
    suite.task("mpsc_b1000_4p", MESSAGES, || mpsc_bounded(1000, 4));
    suite.task("mpsc_unb_1p", MESSAGES, || mpsc_unbounded(1));
    suite.task("mpsc_unb_4p", MESSAGES, || mpsc_unbounded(4));
    suite.task("mpsc_b1000_same_task", MESSAGES, mpsc_same_task);
    suite.task("oneshot_same_task", 1_000_000, || oneshot_same_task(1_000_000));
    suite.task("oneshot_cross_task", 100_000, || oneshot_cross_task(100_000));
    suite.task("request_response_64", 640_000, || request_response(64, 10_000));
    suite.task("broadcast_1rx", 204_800, || broadcast(1, 400));
    suite.task("broadcast_10rx", 204_800, || broadcast(10, 400));
    suite.task("watch_10rx_round", 20_000, || watch(10, 20_000));
}
