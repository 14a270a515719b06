//! `plimsoll`; see [`local::cli`].

/// Gives memory back after a burst; glibc's keeps an arena a thread. Settings: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    local::cli::main()
}
