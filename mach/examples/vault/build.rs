//! Makes clients and servers of the two interfaces.

fn main() {
    if let Err(error) = mach_build::compile(&["proto/vault.proto", "proto/drawer.proto"], &["proto"]) {
        panic!("{error:#}");
    }
}
