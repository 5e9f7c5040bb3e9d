//! How the processes of a floor meet: one listens at a path, and gives each that comes a thread.

use std::path::Path;

use mach_bench::{Caller, Crew, Error};
use rustix::event::{PollFd, PollFlags};
use sys::{Channel, Listener, SysError};

use crate::failure::{OrFail, Result};

/// Listens at `path`, says that it is ready, and runs `serve` in a thread for each connection, until it is killed.
pub fn serve(path: &Path, serve: impl Fn(Channel) -> Result<(), SysError> + Copy + Send + 'static) -> Result<()> {
    let what = || format!("cannot serve at {}", path.display());
    let listener = Listener::bind(path, 0o600).or_fail(what)?;
    println!("{}", serde_json::to_string(&<mach_bench::Told>::Ready).or_fail(what)?);
    loop {
        let mut readable = [PollFd::new(&listener, PollFlags::IN)];
        rustix::event::poll(&mut readable, None).or_fail(what)?;
        let Some(channel) = listener.try_accept().or_fail(what)? else { continue };
        let body = move || {
            // Its client sees the end of the connection.
            if let Err(error) = serve(channel) {
                eprintln!("mach: a connection of a measurement ended: {error}");
            }
        };
        std::thread::Builder::new().spawn(body).or_fail(what)?;
    }
}

/// Carries out loads with clients that `connect` makes.
pub fn call(connect: impl FnMut() -> Result<Box<dyn Caller>, Error>) -> Result<()> {
    let mut crew = Crew::new(connect);
    mach_bench::work(|load| crew.run(load)).or_fail(|| "cannot tell what was measured".into())
}
