//! Two threads in async_io::block_on that wake each other: see ../../../../wake.c.
//! SPDX-License-Identifier: MIT OR Apache-2.0
use std::time::{Duration, Instant};

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(1.0, |text| text.parse().expect("seconds"));
    let (to_there, there) = async_channel::bounded::<bool>(1);
    let (to_here, here) = async_channel::bounded::<bool>(1);
    let thread = std::thread::spawn(move || {
        async_io::block_on(async {
            while let Ok(true) = there.recv().await {
                to_here.send(true).await.expect("send");
            }
        })
    });
    let (started, limit) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut count = 0u64;
    async_io::block_on(async {
        while started.elapsed() < limit {
            to_there.send(true).await.expect("send");
            here.recv().await.expect("recv");
            count += 1;
        }
        to_there.send(false).await.expect("send");
    });
    println!("wake {} ns", started.elapsed().as_nanos() as f64 / count as f64);
    thread.join().expect("join");
}
