// SPDX-License-Identifier: MIT
//
// Locks and signals; as bench/runtime/locks.cc.

use crate::channels::Map;
use crate::harness::{join_all, Sample, Stopwatch, Suite};
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify, RwLock, Semaphore};
use tokio::task::yield_now;

const TASKS: usize = 10;

/// Runs ten tasks to their ends.
async fn in_ten_tasks<Work>(make: impl Fn(u64) -> Work) -> Sample
where
    Work: Future<Output = ()> + Send + 'static,
{
    let stopwatch = Stopwatch::start();
    let handles = (0..TASKS as u64).map(|i| tokio::spawn(make(i))).collect();
    join_all(handles).await;
    stopwatch.stop()
}

/// A lock that blocks its thread: the standard's, and parking_lot's.
trait Blocking<T>: Send + Sync + 'static {
    fn new(value: T) -> Self;
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send + 'static> Blocking<T> for std::sync::Mutex<T> {
    fn new(value: T) -> Self {
        std::sync::Mutex::new(value)
    }
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.lock().unwrap())
    }
}

impl<T: Send + 'static> Blocking<T> for parking_lot::Mutex<T> {
    fn new(value: T) -> Self {
        parking_lot::Mutex::new(value)
    }
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.lock())
    }
}

async fn use_shards<M: Blocking<Map>>(shards: Arc<Vec<M>>, seed: u64, times: usize) {
    let mut state = 0x9E37_79B9_7F4A_7C15u64 ^ seed; // xorshift64*
    let mut sum = 0u64;
    for _ in 0..times {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let random = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
        let key = (random >> 33) % 10_000;
        shards[(key % 16) as usize].with(|map| {
            if random % 2 == 0 {
                sum = sum.wrapping_add(map.get(&key).copied().unwrap_or(0));
            } else {
                map.insert(key, random);
            }
        });
    }
    black_box(sum);
}

async fn sharded_map<M: Blocking<Map>>(times: usize) -> Sample {
    let shards: Arc<Vec<M>> = Arc::new((0..16).map(|_| M::new(Map::default())).collect());
    for key in 0..10_000u64 {
        shards[(key % 16) as usize].with(|map| map.insert(key, key));
    }
    let sample = in_ten_tasks(|i| use_shards(Arc::clone(&shards), i + 1, times)).await;
    let size: usize = shards.iter().map(|shard| shard.with(|map| map.len())).sum();
    assert_eq!(size, 10_000);
    sample
}

async fn parking_mutex_uncontended(times: usize) -> Sample {
    let mutex = parking_lot::Mutex::new(0usize);
    let stopwatch = Stopwatch::start();
    for _ in 0..times {
        let mut count = mutex.lock();
        *count += 1;
        black_box(&*count);
    }
    let sample = stopwatch.stop();
    assert_eq!(*mutex.lock(), times);
    sample
}

async fn add(mutex: Arc<Mutex<usize>>, times: usize) {
    for _ in 0..times {
        *mutex.lock().await += 1;
    }
}

async fn mutex_uncontended(times: usize) -> Sample {
    let mutex = Mutex::new(0usize);
    let stopwatch = Stopwatch::start();
    for _ in 0..times {
        *mutex.lock().await += 1;
    }
    let sample = stopwatch.stop();
    assert_eq!(*mutex.lock().await, times);
    sample
}

async fn mutex_10tasks(times: usize) -> Sample {
    let mutex = Arc::new(Mutex::new(0usize));
    let sample = in_ten_tasks(|_| add(Arc::clone(&mutex), times)).await;
    assert_eq!(*mutex.lock().await, TASKS * times);
    sample
}

async fn mutex_yield_held(times: usize) -> Sample {
    let mutex = Arc::new(Mutex::new(0usize));
    let sample = in_ten_tasks(|_| {
        let mutex = Arc::clone(&mutex);
        async move {
            for _ in 0..times {
                let mut value = mutex.lock().await;
                *value += 1;
                yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(*mutex.lock().await, TASKS * times);
    sample
}

async fn semaphore_uncontended(times: usize) -> Sample {
    let semaphore = Semaphore::new(1);
    let stopwatch = Stopwatch::start();
    for _ in 0..times {
        drop(semaphore.acquire().await.unwrap());
    }
    let sample = stopwatch.stop();
    assert_eq!(semaphore.available_permits(), 1);
    sample
}

async fn semaphore_contended(times: usize) -> Sample {
    let semaphore = Arc::new(Semaphore::new(5));
    let sample = in_ten_tasks(|_| {
        let semaphore = Arc::clone(&semaphore);
        async move {
            for _ in 0..times {
                let _permit = semaphore.acquire().await.unwrap();
                yield_now().await;
            }
        }
    })
    .await;
    assert_eq!(semaphore.available_permits(), 5);
    sample
}

async fn notify_ping_pong(times: usize) -> Sample {
    let ping = Arc::new(Notify::new());
    let pong = Arc::new(Notify::new());
    let stopwatch = Stopwatch::start();
    let partner = {
        let (ping, pong) = (Arc::clone(&ping), Arc::clone(&pong));
        tokio::spawn(async move {
            for _ in 0..times {
                ping.notified().await;
                pong.notify_one();
            }
        })
    };
    for _ in 0..times {
        ping.notify_one();
        pong.notified().await;
    }
    partner.await.unwrap();
    stopwatch.stop()
}

async fn read(lock: &RwLock<usize>, times: usize) {
    let mut sum = 0;
    for _ in 0..times {
        sum += *lock.read().await;
    }
    assert_eq!(sum, times);
}

async fn rwlock_read_uncontended(times: usize) -> Sample {
    let lock = RwLock::new(1usize);
    let stopwatch = Stopwatch::start();
    read(&lock, times).await;
    stopwatch.stop()
}

async fn rwlock_read_10tasks(times: usize) -> Sample {
    let lock = Arc::new(RwLock::new(1usize));
    in_ten_tasks(|_| {
        let lock = Arc::clone(&lock);
        async move { read(&lock, times).await }
    })
    .await
}

pub fn run(suite: &Suite) {
    const MILLION: usize = 1_000_000;
    suite.task("std_mutex_sharded_map", MILLION, || {
        sharded_map::<std::sync::Mutex<Map>>(MILLION / TASKS)
    });
    suite.task("parking_mutex_sharded_map", MILLION, || {
        sharded_map::<parking_lot::Mutex<Map>>(MILLION / TASKS)
    });
    suite.task("parking_mutex_uncontended", MILLION, || parking_mutex_uncontended(MILLION));
    suite.task("mutex_uncontended", MILLION, || mutex_uncontended(MILLION));
    suite.task("mutex_10tasks", MILLION, || mutex_10tasks(MILLION / TASKS));
    suite.task("mutex_10tasks_yield_held", 100_000, || mutex_yield_held(10_000));
    suite.task("semaphore_uncontended", MILLION, || semaphore_uncontended(MILLION));
    suite.task("semaphore_10tasks_5permits_yield", 100_000, || semaphore_contended(10_000));
    suite.task("notify_ping_pong", 200_000, || notify_ping_pong(200_000));
    suite.task("rwlock_read_uncontended", MILLION, || rwlock_read_uncontended(MILLION));
    suite.task("rwlock_read_10tasks", MILLION, || rwlock_read_10tasks(MILLION / TASKS));
}
