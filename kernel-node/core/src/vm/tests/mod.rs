//! Tests of vm: the rules of docs/spec/vm.md one by one, and a world in which everything happens at once.

mod rig;
mod rules_fault;
mod sim;
