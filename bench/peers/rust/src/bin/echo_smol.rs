//! async-io with smol: a task for each connection, on an executor for one thread.
//! SPDX-License-Identifier: MIT OR Apache-2.0
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor};
use std::net::{SocketAddr, TcpListener};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let address: SocketAddr = address.parse().expect("ADDRESS:PORT");
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener = Async::<TcpListener>::bind(address)?;
        println!("{}", listener.get_ref().local_addr()?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.get_ref().set_nodelay(true)?;
            executor
                .spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                })
                .detach();
        }
    }))
}
