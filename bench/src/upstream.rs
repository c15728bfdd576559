//! The smallest MCP server: it answers each call with canned bytes under the right id.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::samples::{self, Template};
use crate::wire::Reader;

/// Starts the server on a free port of the loopback; it ends with the process.
pub fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// What the last segment of the path asks for.
pub fn answer(segment: &[u8]) -> Template {
    match segment {
        b"64k" => samples::answer(LARGE),
        b"events" => samples::events(EVENTS, SMALL),
        _ => samples::answer(SMALL),
    }
}

fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut reader = Reader::new(stream);
    let mut answers: Vec<([u8; 8], Template)> = Vec::new();
    let mut buffer = Vec::with_capacity(LARGE + 1024);
    while let Some((head, body)) = reader.message()? {
        let id = id_of(body).to_vec();
        let position = match answers.iter().position(|(segment, _)| *segment == head.last_segment) {
            Some(position) => position,
            None => {
                let segment = head.last_segment;
                let name = segment.split(|byte| *byte == 0).next().unwrap_or_default();
                answers.push((segment, answer(name)));
                answers.len() - 1
            }
        };
        let Some((segment, answer)) = answers.get_mut(position) else { continue };
        answer.put_id(&id);
        buffer.clear();
        if segment.starts_with(b"events") {
            write!(
                buffer,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
            )?;
            // As servers do: each event is its own chunk and its own write.
            for event in String::from_utf8_lossy(answer.bytes()).split_inclusive("\n\n") {
                write!(buffer, "{:x}\r\n{event}\r\n", event.len())?;
                out.write_all(&buffer)?;
                buffer.clear();
            }
            out.write_all(b"0\r\n\r\n")?;
        } else {
            write!(
                buffer,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.bytes().len()
            )?;
            buffer.extend_from_slice(answer.bytes());
            out.write_all(&buffer)?;
        }
    }
    Ok(())
}

/// The id stands near the beginning of the calls that the load generator sends.
fn id_of(body: &[u8]) -> &[u8] {
    let key = b"\"id\":";
    let start = body.windows(key.len()).take(64).position(|window| window == key).map_or(0, |at| at + key.len());
    body.get(start..start + samples::FIRST_ID.len()).unwrap_or_default()
}

/// Bytes of a small message.
pub const SMALL: usize = 1024;
/// Bytes of a large message.
pub const LARGE: usize = 64 * 1024;
/// Events of a stream.
const EVENTS: usize = 10;
