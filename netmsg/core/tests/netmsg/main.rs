//! Netmsg over the real ports of kernel-core, rule by rule and at random. The rules: docs/spec/netmsg.md.

mod common;
mod death;
mod flow;
mod grant;
mod hostile;
mod names;
mod send;
mod sim;
