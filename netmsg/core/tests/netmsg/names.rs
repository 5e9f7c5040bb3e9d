//! The name service, across nodes.
