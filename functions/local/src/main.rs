//! `plimsoll`; see [`local::cli`].

/// Gives memory back after a burst; glibc's keeps an arena a thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    local::cli::main()
}
