//! Rows for other programs: written on as they come, however many they are. They come with a last line that says how the answer
//! ended; without it the answer broke off, and what was written is a part.

use std::io::{BufRead, BufReader, Read, Write};

use serde::Deserialize;

use super::CliError;
use super::answer::End;

/// In which form rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A list with an object a row, a row a line, so that the output can be cut and compared.
    Json,
    /// With a head line; lines end as lines do here, though CSV comes with CR LF.
    Csv,
}

/// No row is longer.
const LINE_BYTES_MAX: u64 = 1 << 30;
const READ_BYTES: usize = 64 << 10;
/// Of what an answer that broke off says of itself.
const WORDS_BYTES_MAX: usize = 300;

#[derive(Deserialize)]
struct EndLine {
    end: End,
}

impl Form {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }

    /// All rows of the answer, and how it ended.
    pub(super) fn write(self, answer: impl Read, out: &mut dyn Write) -> Result<End, CliError> {
        let mut answer = BufReader::with_capacity(READ_BYTES, answer);
        let mut writer = Writer { form: self, rows: 0, quoted: false };
        // Only when another line follows is it known to be a row.
        let mut last = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = answer.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            match read {
                Ok(0) => break,
                Ok(_) if line.ends_with(b"\n") => {}
                Ok(_) => return Err(broke_off(&line, None)),
                Err(error) => return Err(broke_off(if line.is_empty() { &last } else { &line }, Some(&error))),
            }
            if !last.is_empty() {
                writer.row(&last, out)?;
            }
            last = line;
        }
        let Ok(EndLine { end }) = serde_json::from_slice(&last) else { return Err(broke_off(&last, None)) };
        writer.end(out)?;
        Ok(end)
    }
}

struct Writer {
    form: Form,
    rows: u64,
    /// The last line of CSV ended within quotes.
    quoted: bool,
}

impl Writer {
    /// A line with its end.
    fn row(&mut self, line: &[u8], out: &mut dyn Write) -> Result<(), CliError> {
        match self.form {
            Form::Json => {
                out.write_all(if self.rows == 0 { b"[" } else { b",\n " })?;
                out.write_all(line.trim_ascii_end())?;
            }
            Form::Csv => {
                let quotes = line.iter().filter(|byte| **byte == b'"').count();
                self.quoted ^= quotes % 2 == 1;
                match line.strip_suffix(b"\r\n") {
                    Some(line) if !self.quoted => {
                        out.write_all(line)?;
                        out.write_all(b"\n")?;
                    }
                    _ => out.write_all(line)?,
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn end(&self, out: &mut dyn Write) -> Result<(), CliError> {
        match (self.form, self.rows) {
            (Form::Csv, _) => Ok(()),
            (Form::Json, 0) => Ok(out.write_all(b"[]\n")?),
            (Form::Json, _) => Ok(out.write_all(b"]\n")?),
        }
    }
}

/// `line`: the last that came; the server may say there why.
fn broke_off(line: &[u8], error: Option<&std::io::Error>) -> CliError {
    const STARTS: [&str; 2] = ["{\"broken_off\":\"", "\"broken off: "];
    let line = String::from_utf8_lossy(&line[..line.len().min(WORDS_BYTES_MAX)]);
    let words = STARTS.iter().find_map(|start| line.strip_prefix(start));
    let why = match (words, error) {
        (Some(words), _) => words.trim_end().trim_end_matches('"').to_owned(),
        (None, Some(error)) => error.to_string(),
        (None, None) => "it ended before its last line".to_owned(),
    };
    CliError::BrokenOff { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "{\"end\":{\"truncated\":null,\"warnings\":[],\"statistics\":{\"rows\":2}}}\n";

    fn written(form: Form, answer: &str) -> (String, Result<End, CliError>) {
        let mut out = Vec::new();
        let end = form.write(answer.as_bytes(), &mut out);
        (String::from_utf8(out).expect("utf-8"), end)
    }

    #[test]
    fn rows_are_written_as_they_came_and_the_last_line_is_none() {
        for (form, rows, expected) in [
            (
                Form::Json,
                "{\"f\":0.1}\n{\"f\":1e-7,\"f_2\":\"9007199254740993\"}\n",
                "[{\"f\":0.1},\n {\"f\":1e-7,\"f_2\":\"9007199254740993\"}]\n",
            ),
            (Form::Json, "", "[]\n"),
            (Form::Json, "{\"end\":{\"a\":1}}\n", "[{\"end\":{\"a\":1}}]\n"),
            (Form::Csv, "a,b\r\n1,\r\n\"x\r\ny\",\"\"\r\n", "a,b\n1,\n\"x\r\ny\",\"\"\n"),
            (Form::Csv, "a\r\n", "a\n"),
        ] {
            let (out, end) = written(form, &format!("{rows}{END}"));
            assert_eq!(out, expected);
            assert!(end.is_ok(), "{rows}");
        }
    }

    #[test]
    fn an_answer_without_its_last_line_broke_off() {
        for (form, answer, why) in [
            (Form::Csv, "a\r\n1\r\n", "ended before its last line"),
            (Form::Csv, "a\r\n1\r\n\"broken off: division by zero", "division by zero"),
            (Form::Json, "{\"a\":1}\n{\"broken_off\":\"division by zero\"\n", "division by zero"),
            (Form::Json, "{\"a\":1}\n{\"end\":{\"trunc", "ended before its last line"),
            (Form::Json, "", "ended before its last line"),
        ] {
            let (out, end) = written(form, answer);
            let said = end.err().map(|error| error.report().join(" ")).expect("it broke off");
            assert!(said.contains(why) && said.contains("not all of it"), "{said}");
            assert!(!out.contains("broken") && !out.ends_with("]\n"), "{out}");
        }
    }
}
