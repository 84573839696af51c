//! HTTP/1.1 over one connection that is kept open, and next to nothing else: what is measured is the server, and a
//! client that takes longer than the server would be most of the time on the wall.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// A server, and the connection to it.
pub(crate) struct Wire {
    address: String,
    path: String,
    token: String,
    open: Option<BufReader<TcpStream>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    /// `base` is `http://host:port/path`.
    pub(crate) fn to(base: &str, token: &str) -> Result<Self, Box<dyn Error>> {
        let rest = base.strip_prefix("http://").ok_or("expected an http URL")?;
        let (address, path) = rest.split_once('/').ok_or("expected a path in the URL")?;
        Ok(Self {
            address: address.to_owned(),
            path: format!("/{path}"),
            token: token.to_owned(),
            open: None,
        })
    }

    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, Box<dyn Error>> {
        let body = body.map_or_else(String::new, |body| {
            let length = body.len();
            format!("Content-Type: application/scim+json\r\nContent-Length: {length}\r\n\r\n{body}")
        });
        let end = if body.is_empty() { "\r\n" } else { "" };
        let request = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{body}{end}",
            self.path, self.address, self.token
        );
        let mut stream = if let Some(stream) = self.open.take() {
            stream
        } else {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_nodelay(true)?;
            BufReader::with_capacity(128 * 1024, stream)
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let (answer, stays) = read(&mut stream)?;
        if stays {
            self.open = Some(stream);
        }
        Ok(answer)
    }
}

fn line<'a>(stream: &mut BufReader<TcpStream>, text: &'a mut String) -> Result<&'a str, Box<dyn Error>> {
    text.clear();
    if stream.read_line(text)? == 0 {
        return Err("the server closed the connection".into());
    }
    Ok(text.trim_end())
}

/// The answer, and whether the connection stays open.
fn read(stream: &mut BufReader<TcpStream>) -> Result<(Answer, bool), Box<dyn Error>> {
    let mut text = String::new();
    let first = line(stream, &mut text)?;
    let mut words = first.split(' ');
    let mut stays = words.next() == Some("HTTP/1.1");
    let status = words.next().ok_or("expected a status")?.parse()?;
    let (mut length, mut chunked) = (None, false);
    loop {
        let header = line(stream, &mut text)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or("expected a header")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            stays = value.eq_ignore_ascii_case("keep-alive");
        }
    }
    let mut body = Vec::new();
    match length {
        _ if chunked => loop {
            let size = usize::from_str_radix(line(stream, &mut text)?, 16)?;
            let start = body.len();
            body.resize(start + size, 0);
            stream.read_exact(&mut body[start..])?;
            line(stream, &mut text)?;
            if size == 0 {
                break;
            }
        },
        Some(length) => {
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        }
        None if status == 204 => {}
        None => {
            stays = false;
            stream.read_to_end(&mut body)?;
        }
    }
    Ok((Answer { status, body }, stays))
}
