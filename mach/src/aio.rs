//! Receiving, sending and calling in tokio's runtime: the thread goes on with other tasks while a message is waited for.
//!
//! 1. A wait is a wait for a descriptor ([`sys::Watch`]); what the node is then asked it answers at once, as a system call.
//! 2. A message is taken in the same step in which it is handed over: a future that is dropped has taken none.
//! 3. Where a queue is full the send waits on a thread of the runtime's for blocking work, since room is announced to
//!    nobody; a future that is dropped ends that wait, and gives up what it carried.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use proto::{Message, MsgReturn, NamedRight, PortName, Routine};
use sys::Watch;
use sys::aio::Async;

use crate::cancel::Canceller;
use crate::error::{MsgError, RpcError, TrapError};
use crate::message::{Incoming, Right};
use crate::msg::{Send, is_bad_reply, named_request, request_message};
use crate::right::{Destination, PortSet, ReceiveRight};
use crate::task::Task;

/// Ports for replies that a task keeps from call to call.
const REPLY_PORTS_KEPT: usize = 16;

impl PortSet {
    /// The next message of any member, which it names.
    ///
    /// Conditions: within a tokio runtime with I/O enabled. Dropping the future loses no message.
    /// Errors: as [`PortSet::receive`].
    pub async fn recv(&self) -> Result<Incoming, MsgError> {
        let message = self.ready().recv(self.task(), self.name()).await?;
        Ok(Incoming::adopt(self.task(), message))
    }
}

impl ReceiveRight {
    /// The next message.
    ///
    /// Conditions and errors: as [`PortSet::recv`].
    pub async fn recv(&self) -> Result<Incoming, MsgError> {
        let message = self.ready().recv(self.task(), self.name()).await?;
        Ok(Incoming::adopt(self.task(), message))
    }
}

impl Task {
    /// Sends a message; waits while the queue is full.
    ///
    /// Conditions: within a tokio runtime. When the future is dropped the message has been sent, or its rights are given up.
    /// Errors: as [`Task::send`].
    pub async fn send_async(&self, message: Message<NamedRight>) -> Result<(), MsgError> {
        let message = match self.mach_msg(Some(Send { message, timeout: Some(Duration::ZERO) }), None) {
            Ok(_) => return Ok(()),
            Err(MsgError::Code { code: MsgReturn::SendTimedOut, message: Some(message) }) => *message,
            Err(error) => return Err(error),
        };
        let canceller = Canceller::new(self);
        let on_drop = CancelOnDrop(canceller.clone());
        let task = self.clone();
        let waiting = tokio::task::spawn_blocking(move || {
            let sent = canceller.scope(|| task.send(message));
            if let (true, Err(MsgError::Code { message: Some(message), .. })) = (canceller.is_cancelled(), &sent) {
                task.release_request(message.as_ref().clone());
            }
            sent
        });
        let sent = waiting.await.map_err(|_| TrapError::Protocol("the runtime ended"))?;
        drop(on_drop);
        sent
    }

    /// Sends the request of a routine and waits for its results.
    ///
    /// Conditions: within a tokio runtime with I/O enabled. When the future is dropped the request may have been carried out.
    /// Errors: as [`Task::rpc`].
    pub async fn call<Q: Routine<NamedRight>>(&self, to: &impl Destination, request: Q) -> Result<Q::Reply, RpcError> {
        let request = request_message(to.destination(), NamedRight::NULL, request);
        let (reply, port) = self.exchange_async(Q::NAME, request).await?;
        port.keep_after(self.results::<Q>(reply))
    }

    /// As [`Task::call`], with rights as values.
    pub(crate) async fn invoke_async<Q: Routine<Right>>(
        &self,
        to: NamedRight,
        request: Q,
    ) -> Result<Q::Reply, RpcError> {
        let (reply, port) = self.exchange_async(Q::NAME, named_request(to, request)).await?;
        port.keep_after(self.adopt_results::<Q>(reply))
    }

    /// Sends a request, with a port of its own for the reply, and waits for that.
    async fn exchange_async(
        &self,
        routine: &'static str,
        request: Message<NamedRight>,
    ) -> Result<(Message<NamedRight>, ReplyPort), RpcError> {
        let failed = |source| RpcError::Msg { routine, source };
        let port = match self.lend_reply_port() {
            Ok(port) => port,
            Err(error) => {
                self.release_request(request);
                return Err(match error {
                    Ok(code) => RpcError::Other { routine: "mach_reply_port", code },
                    Err(error) => failed(error.into()),
                });
            }
        };
        let message = Message { local: NamedRight::make_send_once(port.name), ..request };
        if let Err(error) = self.send_async(message).await {
            if let MsgError::Code { message: Some(message), .. } = &error {
                self.release_request(message.as_ref().clone());
            }
            return Err(failed(error));
        }
        let reply = port.ready.recv(self, port.name).await.map_err(failed)?;
        Ok((reply, port))
    }

    /// A port for one reply: one that was kept, or a new one.
    fn lend_reply_port(&self) -> Result<ReplyPort, Result<i32, TrapError>> {
        let kept = self.kept().pop();
        let (name, ready) = match kept {
            Some(kept) => kept,
            None => (self.new_reply_port().map_err(Err)?.map_err(Ok)?, Ready::default()),
        };
        Ok(ReplyPort { task: self.clone(), name, ready })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(PortName, Ready)>> {
        self.0.reply_ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port for one reply. Dropped, it is destroyed: an answer that comes too late is nobody's.
struct ReplyPort {
    task: Task,
    name: PortName,
    ready: Ready,
}

impl ReplyPort {
    /// The port serves the next call, unless what came there was no reply.
    fn keep_after<T>(self, results: Result<T, RpcError>) -> Result<T, RpcError> {
        if !results.as_ref().is_err_and(is_bad_reply) {
            self.give_back();
        }
        results
    }

    /// The reply came; the port serves the next call.
    fn give_back(mut self) {
        let task = self.task.clone();
        let mut kept = task.kept();
        if kept.len() < REPLY_PORTS_KEPT {
            kept.push((std::mem::take(&mut self.name), std::mem::take(&mut self.ready)));
        }
        drop(kept);
    }
}

impl Drop for ReplyPort {
    fn drop(&mut self) {
        if self.name.is_valid() {
            self.task.give_up_receive(self.name);
        }
    }
}

struct CancelOnDrop(Canceller);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The descriptor of a port or set in the reactor, once somebody has waited.
#[derive(Debug, Default)]
pub(crate) struct Ready(Mutex<Option<Arc<Async<Watch>>>>);

type Received = Result<Message<NamedRight>, MsgError>;

/// How one wait ended.
enum Step {
    Received(Received),
    /// Nothing waits, and what was waited for has ended: another watch is to be asked for.
    Ended,
}

impl Ready {
    async fn recv(&self, task: &Task, name: PortName) -> Received {
        let mut failed = false;
        loop {
            let watch = match self.watch(task, name) {
                Ok(watch) => watch,
                Err(received) => return received,
            };
            let step = watch.when_readable(|watch| {
                Ok(match task.receive(name, Some(Duration::ZERO)) {
                    Err(MsgError::Code { code: MsgReturn::RcvTimedOut, .. }) if watch.has_ended() => {
                        Poll::Ready(Step::Ended)
                    }
                    Err(MsgError::Code { code: MsgReturn::RcvTimedOut, .. }) => Poll::Pending,
                    received => Poll::Ready(Step::Received(received)),
                })
            });
            match step.await {
                Ok(Step::Received(received)) => return received,
                Ok(Step::Ended) => self.forget(&watch),
                // The runtime that it was registered in has ended; this one has not.
                Err(_) if !failed => {
                    failed = true;
                    self.forget(&watch);
                }
                Err(error) => return Err(TrapError::Sys(error).into()),
            }
        }
    }

    /// The watch, made and registered if need be; or what there is to be answered without one.
    fn watch(&self, task: &Task, name: PortName) -> Result<Arc<Async<Watch>>, Received> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = &*slot {
            return Ok(watch.clone());
        }
        let watch =
            task.watch(name).map_err(|refused| match (task.receive(name, Some(Duration::ZERO)), refused.kern()) {
                (Err(MsgError::Code { code: MsgReturn::RcvTimedOut, .. }), Some(code)) => {
                    Err(MsgError::NoWatch { code })
                }
                (received, _) => received,
            })?;
        let registered = Async::reader(watch).map_err(|error| Err(TrapError::Sys(error).into()))?;
        Ok(slot.insert(Arc::new(registered)).clone())
    }

    fn forget(&self, watch: &Arc<Async<Watch>>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take_if(|kept| Arc::ptr_eq(kept, watch));
    }
}
