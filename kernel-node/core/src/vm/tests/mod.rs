//! Tests of vm: the rules of docs/spec/vm.md one by one, and a world in which everything happens at once.

mod limited;
mod oracle;
mod pager;
mod rig;
mod rules_attribute;
mod rules_behind;
mod rules_copy;
mod rules_fault;
mod rules_forked;
mod rules_inherit;
mod rules_map;
mod rules_msync;
mod rules_object;
mod rules_pageout;
mod rules_pager;
mod rules_readahead;
mod rules_room;
mod rules_shadow;
mod sim;
mod swap;
mod world;
