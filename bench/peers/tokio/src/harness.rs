// SPDX-License-Identifier: MIT
//
// Stopwatch, instruction counter and Suite, as bench/runtime/harness.h.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub fn fail(what: &str) -> ! {
    eprintln!("tokio-peer: {}", what);
    std::process::exit(1);
}

#[derive(Clone, Copy)]
pub struct Sample {
    pub ns: f64,
    pub instructions: f64,
}

static COUNTER: AtomicI32 = AtomicI32::new(-1);
static IS_COUNTING: AtomicBool = AtomicBool::new(false);

/// User instructions of the process, counted in one run of its own.
pub struct InstructionCounter;

impl InstructionCounter {
    /// Before any thread is started, because threads inherit the counter.
    pub fn open() {
        // perf_event_attr in 64-bit words: {type, size}, config, ..., flags at byte 40.
        const HARDWARE: u64 = 0;
        const INSTRUCTIONS: u64 = 1;
        const DISABLED: u64 = 1;
        const INHERIT: u64 = 1 << 1;
        const EXCLUDE_KERNEL: u64 = 1 << 5;
        const EXCLUDE_HV: u64 = 1 << 6;
        let mut attributes = [0u64; 14];
        attributes[0] = HARDWARE | (std::mem::size_of_val(&attributes) as u64) << 32;
        attributes[1] = INSTRUCTIONS;
        attributes[5] = DISABLED | INHERIT | EXCLUDE_KERNEL | EXCLUDE_HV;
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 8u64)
        };
        COUNTER.store(fd as i32, Ordering::Relaxed);
    }

    fn control(request: u64) -> bool {
        let fd = COUNTER.load(Ordering::Relaxed);
        fd >= 0 && unsafe { libc::ioctl(fd, request as _, 0) == 0 }
    }

    pub fn enable() {
        IS_COUNTING.store(Self::control(0x2400), Ordering::Relaxed);
    }

    pub fn disable() {
        IS_COUNTING.store(false, Ordering::Relaxed);
        Self::control(0x2401);
    }

    fn read() -> f64 {
        if !IS_COUNTING.load(Ordering::Relaxed) {
            return 0.0;
        }
        let mut count = 0u64;
        let fd = COUNTER.load(Ordering::Relaxed);
        let got = unsafe { libc::read(fd, (&mut count as *mut u64).cast(), 8) };
        if got == 8 {
            count as f64
        } else {
            0.0
        }
    }
}

#[derive(Clone, Copy)]
pub struct Stopwatch {
    instructions: f64,
    start: Instant,
}

impl Stopwatch {
    pub fn start() -> Self {
        let instructions = InstructionCounter::read();
        Stopwatch { instructions, start: Instant::now() }
    }

    pub fn stop(self) -> Sample {
        let ns = self.start.elapsed().as_nanos() as f64;
        Sample { ns, instructions: InstructionCounter::read() - self.instructions }
    }
}

pub struct Settings {
    pub is_current_thread: bool,
    pub workers: usize,
    pub warm_ups: usize,
    pub repetitions: usize,
    pub filters: Vec<String>,
}

impl Settings {
    pub fn flavour(&self) -> &'static str {
        if self.is_current_thread {
            "current_thread"
        } else {
            "multi_thread"
        }
    }

    pub fn make_runtime(&self) -> Runtime {
        let built = if self.is_current_thread {
            Builder::new_current_thread().enable_all().build()
        } else {
            Builder::new_multi_thread().worker_threads(self.workers).enable_all().build()
        };
        built.unwrap_or_else(|error| fail(&error.to_string()))
    }
}

pub struct Suite {
    pub settings: Settings,
    pub runtime: Runtime,
}

impl Suite {
    pub fn new(settings: Settings) -> Self {
        let runtime = settings.make_runtime();
        Suite { settings, runtime }
    }

    pub fn wants(&self, name: &str) -> bool {
        let filters = &self.settings.filters;
        filters.is_empty() || filters.iter().any(|part| name.contains(part.as_str()))
    }

    /// A benchmark that works on the calling thread, outside the runtime.
    pub fn outside(&self, name: &str, operations: usize, run: impl Fn(&Runtime) -> Sample) {
        if !self.wants(name) {
            return;
        }
        for _ in 0..self.settings.warm_ups {
            run(&self.runtime);
        }
        let repetitions = self.settings.repetitions;
        let values =
            (0..repetitions).map(|_| run(&self.runtime).ns / operations as f64).collect();
        InstructionCounter::enable();
        let instructions = run(&self.runtime).instructions / operations as f64;
        InstructionCounter::disable();
        self.print(name, operations, values, instructions);
    }

    /// A benchmark that works inside a spawned task.
    pub fn task<F, Work>(&self, name: &str, operations: usize, make: F)
    where
        F: Fn() -> Work,
        Work: Future<Output = Sample> + Send + 'static,
    {
        self.outside(name, operations, |runtime| {
            let driver = runtime.spawn(make());
            runtime.block_on(driver).unwrap()
        });
    }

    pub fn print(&self, name: &str, operations: usize, values: Vec<f64>, instructions: f64) {
        let samples: Vec<String> = values.iter().map(|value| format!("{:.3}", value)).collect();
        println!(
            "{{\"runtime\":\"tokio\",\"flavour\":\"{}\",\"workers\":{},\"bench\":\"{}\",\
             \"operations\":{},\"samples_ns\":[{}],\"instructions\":{:.1}}}",
            self.settings.flavour(),
            self.settings.workers,
            name,
            operations,
            samples.join(","),
            instructions
        );
    }
}

/// Awaits tasks in order and checks that each of them ended well.
pub async fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        handle.await.unwrap();
    }
}
