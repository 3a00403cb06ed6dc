//! Answers every HTTP/1.1 request with the same bytes, to measure clients alone.

use std::io;
use std::rc::Rc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn main() {
    super::answer_commands(|command| {
        let response = super::file(command, "response");
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap().port()).unwrap();
                let response = Rc::new(response);
                while let Ok((stream, _)) = listener.accept().await {
                    let response = Rc::clone(&response);
                    tokio::task::spawn_local(async move { drop(serve(stream, &response).await) });
                }
            });
        });
        json!({ "port": receiver.recv().unwrap() })
    });
}

async fn serve(mut stream: TcpStream, response: &[u8]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = super::load::header(&text, "content-length");
        let length: usize = length.and_then(|value| value.parse().ok()).unwrap_or(0);
        let mut left = (head + length).saturating_sub(buffer.len());
        while left > 0 {
            buffer.clear();
            match stream.read_buf(&mut buffer).await? {
                0 => return Ok(()),
                read => left = left.saturating_sub(read),
            }
        }
        buffer.clear();
        stream.write_all(response).await?;
    }
}
