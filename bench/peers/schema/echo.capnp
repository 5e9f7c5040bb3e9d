@0xb7d5c1e08f2a6493;
# What a measured call is: bytes there, their checksum back. Compiled by `capnp compile -o rust` into ../src/echo_capnp.rs.

interface Echo {
  call @0 (bytes :Data) -> (sum :UInt64);
}
