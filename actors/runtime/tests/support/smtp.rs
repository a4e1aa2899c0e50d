//! A mail server that takes everything and keeps it: real SMTP (RFC 5321) on a port of its own.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// The server. Its thread ends with the process of the test.
pub(crate) struct MailServer {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<TakenMail>>>,
}

/// A mail that it has taken.
#[derive(Clone, Debug)]
pub(crate) struct TakenMail {
    /// Whom the envelope names.
    pub(crate) to: Vec<String>,
    /// Head and body, without soft line breaks.
    pub(crate) text: String,
}

impl MailServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = Arc::clone(&shared);
                // A client that leaves in the middle of a word has left.
                thread::spawn(move || drop(converse(&stream, &taken)));
            }
        });
        Self { address, taken }
    }

    /// As the configuration names it.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What it has taken so far.
    pub(crate) fn taken(&self) -> Vec<TakenMail> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TakenMail {
    /// The token of the link in it.
    pub(crate) fn token(&self) -> Option<String> {
        let (_, rest) = self.text.split_once("#token=")?;
        Some(rest.split_whitespace().next()?.to_owned())
    }
}

fn converse(stream: &TcpStream, taken: &Mutex<Vec<TakenMail>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut out = stream;
    let mut to = Vec::new();
    out.write_all(b"220 sink.test\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let command = line.trim_end().to_ascii_uppercase();
        match command.split(' ').next().unwrap_or_default() {
            "EHLO" => out.write_all(b"250-sink.test\r\n250 8BITMIME\r\n")?,
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                to.push(address.to_owned());
                out.write_all(b"250 ok\r\n")?;
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let text = message(&mut lines)?;
                let mail = TakenMail { to: std::mem::take(&mut to), text };
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                out.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return out.write_all(b"221 bye\r\n"),
            _ => out.write_all(b"250 ok\r\n")?,
        }
    }
}

/// Everything up to the line that is a point alone.
fn message(lines: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line == ".\r\n" {
            return Ok(text.replace("=\r\n", "").replace("=3D", "="));
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
