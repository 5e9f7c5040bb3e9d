//! Tests of vm: the rules of docs/spec/vm.md one by one, and a world in which everything happens at once.

mod pager;
mod rig;
mod rules_fault;
mod sim;
mod world;
