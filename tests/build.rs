//! Makes the clients and servers of the example with a service of its own, which is run here.

fn main() {
    let folder = "../mach/examples/vault/proto";
    let files = ["vault.proto", "drawer.proto"].map(|file| format!("{folder}/{file}"));
    if let Err(error) = mach_build::compile(&files, &[folder]) {
        panic!("{error:#}");
    }
}
