//! How an answer that is cut while it is sent says so.

use bytes::Bytes;

/// In the extensions of a response whose body comes in pieces: what stands after the last piece when somebody else than
/// the body itself must cut it. No reader of the body's form takes it for an end. A body that breaks off by itself says
/// so itself.
#[derive(Clone, Debug)]
pub struct LastWords(pub Bytes);
