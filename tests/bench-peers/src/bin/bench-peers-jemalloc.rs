//! The peers on jemalloc; see the library.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), bench_peers::Failure> {
    bench_peers::run()
}
