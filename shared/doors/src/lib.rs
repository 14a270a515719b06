//! Doors to the world outside.
