//! The same as ../../../../io.c, after async-io's own benchmarks: one operation after the other on one thread.
//! SPDX-License-Identifier: MIT OR Apache-2.0
use async_io::{block_on, Async};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::future::Future;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

fn measure<F: Future<Output = std::io::Result<()>>>(name: &str, seconds: f64, mut step: impl FnMut() -> F) {
    let (started, limit) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut count = 0u64;
    while started.elapsed() < limit {
        for _ in 0..16 {
            block_on(step()).expect(name);
        }
        count += 16;
    }
    println!("{name} {} ns", started.elapsed().as_nanos() as f64 / count as f64);
}

fn main() -> std::io::Result<()> {
    let seconds = std::env::args().nth(1).map_or(1.0, |text| text.parse().expect("seconds")) / 5.0;

    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    let address = listener.get_ref().local_addr()?;
    let there = block_on(Async::<TcpStream>::connect(address))?;
    let (here, _) = block_on(listener.accept())?;
    let mut large = vec![0u8; 1024 * 1024];
    let bytes = std::cell::RefCell::new(&mut large);
    measure("io-tcp-1MiB", seconds, || async {
        let mut bytes = bytes.borrow_mut();
        (&here).write_all(&bytes).await?;
        (&there).read_exact(&mut bytes).await
    });

    let (here, there) = Async::<UnixStream>::pair()?;
    let mut small = vec![0u8; 1024];
    let bytes = std::cell::RefCell::new(&mut small);
    measure("io-unix-1KiB", seconds, || async {
        let mut bytes = bytes.borrow_mut();
        (&here).write_all(&bytes).await?;
        (&there).read_exact(&mut bytes).await
    });

    measure("io-connect-tcp", seconds, || async {
        let there = Async::<TcpStream>::connect(address).await?;
        let (here, _) = listener.accept().await?;
        // Reset, so that no port is left waiting.
        reset_at_close(there.get_ref());
        drop((there, here));
        Ok(())
    });

    let path = std::env::temp_dir().join(format!("bench-io-{}", std::process::id()));
    let listener = Async::<UnixListener>::bind(&path)?;
    measure("io-connect-unix", seconds, || async {
        let there = Async::<UnixStream>::connect(&path).await?;
        let (here, _) = listener.accept().await?;
        drop((there, here));
        Ok(())
    });
    std::fs::remove_file(&path)?;

    let here = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    let there = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    let to = there.get_ref().local_addr()?;
    let mut received = vec![0u8; 1024];
    let sent = vec![0u8; 1024];
    let bytes = std::cell::RefCell::new(&mut received);
    measure("io-udp-1KiB", seconds, || async {
        here.send_to(&sent, to).await?;
        there.recv_from(&mut bytes.borrow_mut()).await.map(|_| ())
    });
    Ok(())
}

fn reset_at_close(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("linger");
}
