//! One test for each rule of `docs/spec/ipc.md`, by its name.

#[path = "ipc_rules/death.rs"]
mod death;
#[path = "ipc_rules/kernel.rs"]
mod kernel;
#[path = "ipc_rules/lanes.rs"]
mod lanes;
#[path = "ipc_rules/messages.rs"]
mod messages;
#[path = "ipc_rules/names.rs"]
mod names;
#[path = "ipc_rules/notify.rs"]
mod notify;
#[path = "ipc_rules/options.rs"]
mod options;
#[path = "ipc_rules/poll.rs"]
mod poll;
#[path = "ipc_rules/queues.rs"]
mod queues;
#[path = "ipc_rules/receive.rs"]
mod receive;
#[path = "ipc_rules/rights.rs"]
mod rights;
#[path = "ipc_rules/world.rs"]
mod world;
