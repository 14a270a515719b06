//! A server of another make, for as long as this process lives.
//!
//! A shell stands between: it waits for the end of its standard input, which is a pipe from us, and then kills the server.
//! The kernel closes the pipe however we end, so that no server is left behind by a test that was killed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Lines of its output that are kept, to be shown if it does not start.
const LINES_KEPT: usize = 30;

/// Runs `$@` until standard input ends; ends itself if the server does.
const SUPERVISE: &str =
    r#""$@" </dev/null & server=$!; (cat >/dev/null; kill -9 $server) <&3 2>/dev/null & wait $server"#;

pub(super) struct Server {
    shell: Child,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts a program, which need not be ready yet; with the lines that it prints.
    pub(super) fn start(program: &Command) -> (Self, Receiver<String>) {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec 3<&0; {SUPERVISE}"), "sh"])
            .arg(program.get_program())
            .args(program.get_args());
        for (name, value) in program.get_envs() {
            shell.env(name, value.expect("variables are only set"));
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = shell.spawn().expect("there is a shell");
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (told, lines) = channel();
        let tell = move |line: &str| {
            // Nobody listens any more once it is ready.
            let _ = told.send(line.to_owned());
        };
        keep_reading(shell.stdout.take().expect("piped above"), &said, tell);
        keep_reading(shell.stderr.take().expect("piped above"), &said, |_| {});
        (Self { shell, said }, lines)
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.shell.try_wait().expect("it is ours").is_some()
    }

    /// What it printed last, for whoever wonders why it does not work.
    pub(super) fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It kills the server and ends with it.
        let _ = self.shell.wait();
    }
}

/// Reads to the end, so that the server never waits for us.
fn keep_reading(
    output: impl Read + Send + 'static,
    said: &Arc<Mutex<VecDeque<String>>>,
    tell: impl Fn(&str) + Send + 'static,
) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            tell(&line);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_back(line);
            if said.len() > LINES_KEPT {
                said.pop_front();
            }
        }
    });
}
