//! ipc-channel: its bytes channel for requests, a typed one for answers, a thread for each connection.

use std::path::Path;

use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender};
use mach_bench::{Caller, Error, Load, checksum};

use crate::Request;

/// What a client sends first: where its requests come from, and where answers go.
type Hello = (IpcBytesReceiver, IpcSender<u64>);

/// Answers until it is killed. Its name is in the file at `path`.
pub fn serve(path: &Path) -> Result<(), Error> {
    let (server, name) = IpcOneShotServer::<Hello>::new()?;
    std::fs::write(path, name)?;
    crate::ready()?;
    let (clients, first) = server.accept()?;
    let mut next = Ok(first);
    while let Ok((requests, answers)) = next {
        std::thread::spawn(move || {
            while let Ok(bytes) = requests.recv() {
                if answers.send(checksum(&bytes)).is_err() {
                    break;
                }
            }
        });
        next = clients.recv();
    }
    Ok(())
}

/// The way to the server, which each client's channels are sent by.
pub struct Server(IpcSender<Hello>);

impl Server {
    /// Connects, once a process.
    pub fn connect(path: &Path) -> Result<Server, Error> {
        Ok(Server(IpcSender::connect(std::fs::read_to_string(path)?)?))
    }

    /// Another client.
    pub fn client(&self) -> Result<Client, Error> {
        let (requests, their_requests) = ipc::bytes_channel()?;
        let (their_answers, answers) = ipc::channel()?;
        self.0.send((their_requests, their_answers))?;
        Ok(Client { requests, answers, request: Request::default() })
    }
}

/// A client.
pub struct Client {
    requests: IpcBytesSender,
    answers: IpcReceiver<u64>,
    request: Request,
}

impl Caller for Client {
    fn call(&mut self, load: &Load) -> Result<(), Error> {
        self.requests.send(self.request.of(load))?;
        self.request.check(self.answers.recv()?)
    }
}
