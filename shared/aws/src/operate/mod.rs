//! What an operator looks at, with the operator's own credentials: the state of the resources of a stack, and the dead letters.
//!
//! No function needs any of this. Nothing here changes a resource but [`DeadLetters`], which moves messages.

mod bucket;
mod function;
mod queue;
mod redrive;
mod table;

pub use bucket::BucketFacts;
pub use function::{AliasFacts, FunctionFacts};
pub use queue::QueueFacts;
pub use redrive::{DeadLetter, DeadLetters, MoveTask, Moved};
pub use table::{Protection, TableFacts};
