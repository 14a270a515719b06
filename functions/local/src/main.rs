//! `plimsoll`; see [`local::cli`].

fn main() -> std::process::ExitCode {
    local::cli::main()
}
