//! The function `api` in Lambda; see [`api::cloud`].

fn main() -> std::process::ExitCode {
    lambda::main("api", lambda::Threads::One, api::cloud::Config::read, api::cloud::start)
}
