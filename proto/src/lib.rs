//! What every other crate of the project agrees on: names, rights, messages, codes and bounds.
//!
//! Nothing here does anything. Types are parsed once at the edge and trusted afterwards; the definitions under
//! `proto/idl/` are the single source of every interface (stubs in `iface`) and of every record that leaves a
//! process (`wire`). `cargo xtask gen` writes both and a test holds them fresh.

#[doc(hidden)]
pub mod args;
pub mod body;
pub mod code;
pub mod codec;
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod iface;
pub mod item;
pub mod limits;
pub mod msg;
pub mod name;
pub mod payload;
pub mod ranges;
pub mod segments;
pub mod space;
pub mod typed;
pub mod vm;
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod wire;

pub use body::Body;
#[doc(hidden)]
pub use bytes::Bytes;
pub use code::{KernReturn, MigError, MsgReturn, NoRoom};
pub use item::Item;
pub use msg::{BadBody, Disposition, Message, NamedRight, RightType, Routine, SimpleRoutine, TraceId};
pub use name::{Incarnation, NodeName, PortName, PortUid};
pub use payload::{Chunk, Payload, Store};
pub use vm::{Inherit, PAGE_SIZE, Prot};
