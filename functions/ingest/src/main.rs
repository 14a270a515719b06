//! The function `ingest` in Lambda; see [`ingest::cloud`].

fn main() -> std::process::ExitCode {
    lambda::main("ingest", lambda::Threads::One, ingest::cloud::Config::read, ingest::cloud::start)
}
