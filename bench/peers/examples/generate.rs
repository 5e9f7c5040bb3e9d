//! Writes the Rust of `schema/` into `src/`: `cargo run --example generate`, with the program `capnp` (Debian: capnproto).

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (schema, out) = (root.join("schema"), root.join("src"));
    let mut capnp = capnpc::CompilerCommand::new();
    capnp.src_prefix(&schema).file(schema.join("echo.capnp")).output_path(&out).run()?;
    let files = protox::compile(["echo.proto"], [&schema])?;
    tonic_prost_build::configure().out_dir(&out).bytes(".").compile_fds(files)?;
    for (name, what) in [("echo_capnp.rs", "schema/echo.capnp"), ("echo.rs", "schema/echo.proto")] {
        let path = out.join(name);
        let text = std::fs::read_to_string(&path)?;
        let head = "// Written by `cargo run --example generate`; do not edit.\n";
        std::fs::write(&path, format!("{head}//! The interface of `{what}`.\n\n{text}"))?;
    }
    Ok(())
}
