//! The library against a node's end that is made here: a real socket, a real userfaultfd, task processes of their own.

mod calls;
mod fake;
mod memory;
