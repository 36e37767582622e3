//! async-io's Timer: made, polled once, dropped; with no other pending, and with a million: see ../../../../register.c.
//! SPDX-License-Identifier: MIT OR Apache-2.0
use async_io::{block_on, Timer};
use smol::future::poll_once;
use std::time::{Duration, Instant};

async fn registered(after: Duration) -> Timer {
    let mut timer = Timer::after(after);
    assert!(poll_once(&mut timer).await.is_none());
    timer
}

async fn measure(name: &str, seconds: f64) {
    let (started, limit) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut count = 0u32;
    while started.elapsed() < limit {
        for _ in 0..1000 {
            drop(registered(Duration::from_secs(60)).await);
        }
        count += 1000;
    }
    println!("{name} {} ns", started.elapsed().as_nanos() as f64 / f64::from(count));
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(1.0, |text| text.parse().expect("seconds"));
    let pending: u64 = if seconds < 0.1 { 50_000 } else { 1_000_000 };
    block_on(async {
        measure("register-0", seconds / 2.0).await;
        let mut others = Vec::new();
        for i in 0..pending {
            others.push(registered(Duration::from_secs(30) + Duration::from_micros(i * 7919 % pending * 60)).await);
        }
        measure("register-1m", seconds / 2.0).await;
    });
    // Without dropping a million of them.
    std::process::exit(0);
}
