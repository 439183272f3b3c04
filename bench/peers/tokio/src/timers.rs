// SPDX-License-Identifier: MIT
//
// Sleeps and timeouts; as bench/runtime/timers.cc.

use crate::harness::{fail, Sample, Stopwatch, Suite};
use std::future::{poll_fn, Future};
use std::hint::black_box;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

async fn sleep_create_drop(times: u64) -> Sample {
    let stopwatch = Stopwatch::start();
    for _ in 0..times {
        drop(black_box(sleep(Duration::from_secs(1))));
    }
    stopwatch.stop()
}

async fn sleep_register_cancel(times: u64) -> Sample {
    let stopwatch = Stopwatch::start();
    for i in 0..times {
        let mut wait = Box::pin(sleep(Duration::from_millis(1_000 + i % 1_000)));
        poll_fn(|context| {
            assert!(wait.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    stopwatch.stop()
}

async fn timeout_ready(times: u64) -> Sample {
    let mut sum = 0;
    let stopwatch = Stopwatch::start();
    for i in 0..times {
        sum += timeout(Duration::from_secs(1), async move { i & 1 }).await.unwrap();
    }
    let sample = stopwatch.stop();
    assert_eq!(sum, times / 2);
    sample
}

async fn timeout_yield_once(times: u64) -> Sample {
    let stopwatch = Stopwatch::start();
    for _ in 0..times {
        timeout(Duration::from_secs(1), yield_now()).await.unwrap();
    }
    stopwatch.stop()
}

fn process_cpu_ns() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) } != 0 {
        fail("no process clock");
    }
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

struct Fired {
    all: Sample,
    late_mean: f64,
    late_max: f64,
}

async fn fire_timers(timers: u64) -> Fired {
    let mut handles = Vec::with_capacity(timers as usize);
    let stopwatch = Stopwatch::start();
    for i in 0..timers {
        handles.push(tokio::spawn(async move {
            let duration = Duration::from_millis(1 + i % 100);
            let start = Instant::now();
            sleep(duration).await;
            start.elapsed().checked_sub(duration).unwrap().as_nanos() as f64
        }));
    }
    let (mut sum, mut late_max) = (0.0, 0.0f64);
    for handle in handles {
        let late = handle.await.unwrap();
        sum += late;
        late_max = late_max.max(late);
    }
    Fired { all: stopwatch.stop(), late_mean: sum / timers as f64, late_max }
}

fn fire(runtime: &Runtime, timers: u64) -> Fired {
    let driver = runtime.spawn(fire_timers(timers));
    runtime.block_on(driver).unwrap()
}

fn measure_firing(suite: &Suite, timers: u64) {
    if !suite.wants("timers_fire_100k") {
        return;
    }
    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    let (mut late_mean, mut late_max) = (Vec::new(), Vec::new());
    fire(&suite.runtime, timers);
    for _ in 0..suite.settings.repetitions {
        let before = process_cpu_ns();
        let fired = fire(&suite.runtime, timers);
        cpu.push((process_cpu_ns() - before) / timers as f64);
        wall.push(fired.all.ns);
        late_mean.push(fired.late_mean);
        late_max.push(fired.late_max);
    }
    suite.print("timers_fire_100k_wall_total", 1, wall, 0.0);
    suite.print("timers_fire_100k_cpu_per_timer", timers as usize, cpu, 0.0);
    suite.print("timers_fire_100k_late_mean", 1, late_mean, 0.0);
    suite.print("timers_fire_100k_late_max", 1, late_max, 0.0);
}

pub fn run(suite: &Suite) {
    suite.task("sleep_create_drop", 1_000_000, || sleep_create_drop(1_000_000));
    suite.task("sleep_register_cancel", 1_000_000, || sleep_register_cancel(1_000_000));
    suite.task("timeout_ready", 1_000_000, || timeout_ready(1_000_000));
    suite.task("timeout_yield_once", 500_000, || timeout_yield_once(500_000));
    measure_firing(suite, 100_000);
}
