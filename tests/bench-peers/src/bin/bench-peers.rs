//! The peers on the system's allocator; see the library.

fn main() -> Result<(), bench_peers::Failure> {
    bench_peers::run()
}
