//! The proxy in front of the emulators: what it passes on is exact, what it breaks looks as if AWS had broken it.

mod emulated;
mod faults;
mod passing;
mod upstream;
