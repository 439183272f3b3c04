// SPDX-License-Identifier: MIT
//
// The echo server of the comparison, as bench/echo: a task per connection, a buffer of 1 KiB,
// TCP_NODELAY. Ends by a signal.

use crate::harness::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut stream: TcpStream) {
    let mut buffer = [0u8; 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if stream.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn serve(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    println!("listening");
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(echo(stream));
    }
}

pub fn run(settings: &Settings, port: u16) {
    let runtime = settings.make_runtime();
    let server = runtime.spawn(serve(port));
    runtime.block_on(server).unwrap();
}
