// SPDX-License-Identifier: MIT
//
// Recursive fork-join by full tasks; as bench/runtime/fork_join.cc.

use crate::harness::{Stopwatch, Suite};
use std::future::Future;
use std::pin::Pin;

// A recursive future has to be boxed.
type Node = Pin<Box<dyn Future<Output = u64> + Send>>;

fn fib_spawn_both(n: u64) -> Node {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let left = tokio::spawn(fib_spawn_both(n - 1));
        let right = tokio::spawn(fib_spawn_both(n - 2));
        left.await.unwrap() + right.await.unwrap()
    })
}

fn fib_spawn_one(n: u64) -> Node {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let left = tokio::spawn(fib_spawn_one(n - 1));
        let right = fib_spawn_one(n - 2).await;
        left.await.unwrap() + right
    })
}

fn skynet(first: u64, leaves: u64) -> Node {
    Box::pin(async move {
        if leaves == 1 {
            return first;
        }
        let share = leaves / 10;
        let children: Vec<_> =
            (0..10).map(|i| tokio::spawn(skynet(first + i * share, share))).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

pub fn run(suite: &Suite) {
    const NODES: usize = 2_692_537; // of fib(30)
    suite.task("fib30_spawn_both", NODES, || async {
        let stopwatch = Stopwatch::start();
        let result = tokio::spawn(fib_spawn_both(30)).await.unwrap();
        let sample = stopwatch.stop();
        assert_eq!(result, 832_040);
        sample
    });
    suite.task("fib30_spawn_one", NODES, || async {
        let stopwatch = Stopwatch::start();
        let result = fib_spawn_one(30).await;
        let sample = stopwatch.stop();
        assert_eq!(result, 832_040);
        sample
    });
    suite.task("skynet_1m", 1_111_111, || async {
        let stopwatch = Stopwatch::start();
        let result = tokio::spawn(skynet(0, 1_000_000)).await.unwrap();
        let sample = stopwatch.stop();
        assert_eq!(result, 499_999_500_000);
        sample
    });
}
