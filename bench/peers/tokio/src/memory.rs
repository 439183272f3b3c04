// SPDX-License-Identifier: MIT
//
// What a parked task costs in memory; as bench/runtime/memory.cc.

use crate::harness::{fail, Settings, Stopwatch};
use std::future::pending;
use std::hint::black_box;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::sleep;

const TASKS: usize = 1_000_000;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize
}

async fn park(kind: String) -> (f64, f64) {
    for _ in 0..1_000 {
        tokio::spawn(async {}).await.unwrap();
    }
    let mut senders = Vec::new();
    if kind == "oneshot" {
        senders.reserve_exact(TASKS);
    }
    let before = resident_bytes();
    let stopwatch = Stopwatch::start();
    for i in 0..TASKS {
        match kind.as_str() {
            "pending" => drop(tokio::spawn(pending::<()>())),
            "sleep" => drop(tokio::spawn(sleep(Duration::from_secs(3_600)))),
            "oneshot" => {
                let (tx, rx) = oneshot::channel::<usize>();
                senders.push(tx);
                drop(tokio::spawn(async move {
                    black_box(rx.await.is_ok());
                }));
            }
            _ => drop(tokio::spawn(async move {
                let mut buffer = [0u8; 4096];
                buffer[i % buffer.len()] = 1;
                black_box(&buffer);
                pending::<()>().await;
                black_box(&buffer);
            })),
        }
        if i % 1_000 == 999 {
            yield_now().await;
        }
    }
    // Until each of them has run and waits.
    for _ in 0..2_000 {
        yield_now().await;
    }
    sleep(Duration::from_millis(200)).await;
    let seconds = stopwatch.stop().ns / 1e9;
    let bytes = (resident_bytes() - before) as f64 / TASKS as f64;
    black_box(&senders);
    (bytes, seconds)
}

pub fn measure(settings: &Settings, kind: &str) {
    if !["pending", "sleep", "oneshot", "buf4k"].contains(&kind) {
        fail("memory: the kinds are pending, sleep, oneshot and buf4k");
    }
    let runtime = settings.make_runtime();
    let driver = runtime.spawn(park(kind.to_string()));
    let (bytes, seconds) = runtime.block_on(driver).unwrap();
    println!(
        "{{\"runtime\":\"tokio\",\"flavour\":\"{}\",\"workers\":{},\"bench\":\"memory_{}\",\
         \"operations\":{},\"bytes_per_task\":{:.1},\"seconds\":{:.3}}}",
        settings.flavour(),
        settings.workers,
        kind,
        TASKS,
        bytes,
        seconds
    );
    // Without destroying a million tasks.
    std::process::exit(0);
}
