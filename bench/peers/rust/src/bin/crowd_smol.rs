//! Tasks of smol that are all blocked: see ../../../../task_million.c.
//! SPDX-License-Identifier: MIT OR Apache-2.0
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;
use smol::LocalExecutor;

/// Of /proc/self/statm, in bytes, with pages of 4 KiB.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    text.split(' ').nth(1).expect("pages").parse::<usize>().expect("pages") * 4096
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("tasks"));
    let before = resident();
    let began = Instant::now();
    let begun = Rc::new(Cell::new(0));
    let mut all = Vec::with_capacity(count);
    let executor = LocalExecutor::new();
    for _ in 0..count {
        let begun = begun.clone();
        all.push(executor.spawn(async move {
            begun.set(begun.get() + 1);
            std::future::pending::<()>().await
        }));
    }
    while begun.get() < count {
        executor.try_tick();
    }
    let took = began.elapsed();
    println!("spawn-block {} ns", took.as_nanos() as f64 / count as f64);
    println!("resident {} bytes", (resident() - before) as f64 / count as f64);
    // Without dropping them.
    std::process::exit(0);
}
