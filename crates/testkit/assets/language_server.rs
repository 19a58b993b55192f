//! The least of a language server: of every document that is opened it says which arguments it was started with. It speaks the
//! Language Server Protocol over stdin and stdout, and reads of its messages what it needs, without a JSON parser.

use std::io::{BufRead, Read, Write};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let said = format!("started with {}", arguments.join(" "));
    let mut input = std::io::stdin().lock();
    while let Some(message) = receive(&mut input) {
        let id = after(&message, "\"id\":").map(|rest| rest.split([',', '}']).next().unwrap_or_default());
        match after(&message, "\"method\":\"").and_then(|rest| rest.split('"').next()) {
            Some("initialize") => {
                let id = id.unwrap_or("0");
                send(&format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"capabilities":{{"textDocumentSync":1}}}}}}"#
                ));
            }
            Some("textDocument/didOpen") => {
                let uri =
                    after(&message, "\"uri\":\"").and_then(|rest| rest.split('"').next()).unwrap_or_default();
                let range = r#"{"start":{"line":0,"character":0},"end":{"line":0,"character":1}}"#;
                send(&format!(
                    r#"{{"jsonrpc":"2.0","method":"textDocument/publishDiagnostics","params":{{"uri":"{uri}","diagnostics":[{{"range":{range},"severity":1,"message":"{said}"}}]}}}}"#
                ));
            }
            Some("exit") => return,
            _ => {}
        }
    }
}

fn after<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    Some(&text[text.find(key)? + key.len()..])
}

fn receive(input: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut message = vec![0; length];
    input.read_exact(&mut message).ok()?;
    String::from_utf8(message).ok()
}

fn send(message: &str) {
    let mut output = std::io::stdout().lock();
    let _ = write!(output, "Content-Length: {}\r\n\r\n{message}", message.len());
    let _ = output.flush();
}
