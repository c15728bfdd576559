//! As much HTTP/1.1 as a load generator and its upstream need: heads, and bodies by length or in chunks (RFC 9112).

use std::io::{self, Read};
use std::net::TcpStream;

/// A connection read message by message.
pub struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The last body.
    body: Vec<u8>,
}

/// What is needed of a message's head.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Of a response.
    pub status: u16,
    /// `/…/64k` is `64k`: the last segment of a request's path.
    pub last_segment: [u8; 8],
    length: Length,
}

#[derive(Clone, Copy, Debug)]
enum Length {
    None,
    Bytes(usize),
    Chunks,
}

impl Reader {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: vec![0; 256 * 1024], start: 0, end: 0, body: Vec::new() }
    }

    /// Reads a whole message; `None` where the peer closed the connection before it.
    pub fn message(&mut self) -> io::Result<Option<(Head, &[u8])>> {
        let head = loop {
            let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(length) = waiting.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = parse(waiting.get(..length).unwrap_or_default())?;
                self.start += length + 4;
                break head;
            }
            if !self.more()? {
                return if self.start == self.end { Ok(None) } else { Err(broken("the head is cut off")) };
            }
        };
        self.body.clear();
        match head.length {
            Length::None => {}
            Length::Bytes(length) => self.take(length)?,
            Length::Chunks => loop {
                let line = self.line()?;
                let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                    .map_err(|_| broken("a chunk has no size"))?;
                self.take(size)?;
                if !self.line()?.is_empty() {
                    return Err(broken("a chunk is longer than its size"));
                }
                if size == 0 {
                    break;
                }
            },
        }
        Ok(Some((head, &self.body)))
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(length) = waiting.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(waiting.get(..length).unwrap_or_default()).into_owned();
                self.start += length + 2;
                return Ok(line);
            }
            if !self.more()? {
                return Err(broken("a chunk is cut off"));
            }
        }
    }

    /// Moves the next `size` bytes to the body.
    fn take(&mut self, mut size: usize) -> io::Result<()> {
        while size > 0 {
            if self.start == self.end && !self.more()? {
                return Err(broken("the body is cut off"));
            }
            let part = size.min(self.end - self.start);
            self.body.extend_from_slice(self.buffer.get(self.start..self.start + part).unwrap_or_default());
            self.start += part;
            size -= part;
        }
        Ok(())
    }

    /// False at the end of the connection.
    fn more(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let count = self.stream.read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
        self.end += count;
        Ok(count > 0)
    }
}

fn parse(head: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(head).map_err(|_| broken("the head is not text"))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let second = first.split(' ').nth(1).unwrap_or_default();
    let mut last_segment = [0; 8];
    let segment = second.rsplit('/').next().unwrap_or_default().as_bytes();
    last_segment.iter_mut().zip(segment).for_each(|(to, from)| *to = *from);
    let mut length = Length::None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Bytes(value.trim().parse().map_err(|_| broken("the content-length is no number"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunks;
        }
    }
    Ok(Head { status: second.parse().unwrap_or(0), last_segment, length })
}

pub fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
