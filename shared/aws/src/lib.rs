//! The doors of Plimsoll as AWS opens them.
