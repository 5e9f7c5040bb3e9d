//! The shared library is known to the linker and the loader as libmach.so.0, whatever cargo calls the file.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmach.so.0");
}
