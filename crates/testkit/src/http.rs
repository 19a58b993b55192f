//! The least of an HTTP/1.1 client that asks a server over a socket which somebody else connected. Blocking and bounded.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The largest answer that is read, in bytes.
const MOST: u64 = 16 << 20;

/// POSTs a JSON text and returns the body of the answer, whatever its status. `limit` bounds each wait for bytes.
///
/// # Errors
/// Where the server does not answer, or not in HTTP.
pub fn post(mut stream: TcpStream, path: &str, body: &str, limit: Duration) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut reader = BufReader::new(stream.take(MOST));
    let (mut chunked, mut length) = (false, None);
    loop {
        let line = read_line(&mut reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" => chunked = value.trim() == "chunked",
            "content-length" => length = value.trim().parse().ok(),
            _ => {}
        }
    }
    let mut answer = Vec::new();
    if chunked {
        while let size @ 1.. = chunk_size(&read_line(&mut reader)?)? {
            io::copy(&mut reader.by_ref().take(size), &mut answer)?;
            read_line(&mut reader)?;
        }
    } else {
        reader.take(length.unwrap_or(MOST)).read_to_end(&mut answer)?;
    }
    Ok(answer)
}

fn chunk_size(line: &str) -> io::Result<u64> {
    let digits = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(io::Error::other)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
