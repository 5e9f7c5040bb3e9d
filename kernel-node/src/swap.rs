//! The default pager as a server of this node: where anonymous memory goes that there is no room for.

use std::path::Path;

use kernel_core::kern::Kernel;
use pager::{DefaultOut, DefaultPager, DefaultStats, SwapDone, SwapFile, SwapJob};
use proto::{Disposition, NamedRight};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::node::Node;
use crate::server::Server;
use crate::shell::NodeError;

/// The default pager.
pub struct Swap {
    pub(crate) server: Server,
    pager: DefaultPager,
    out: DefaultOut,
    done: UnboundedSender<SwapDone>,
    told: Told,
    /// Taken by the loop that brings results back.
    results: Option<UnboundedReceiver<SwapDone>>,
}

/// What the log has of it.
#[derive(Default)]
struct Told {
    full: bool,
    refused: u64,
    damaged: bool,
}

impl Told {
    /// Says that it has become full, or has room again, and the first time that it loses a page.
    fn tell(&mut self, pager: &DefaultPager) {
        let DefaultStats { pages, bytes, damaged, refused, .. } = pager.stats();
        if refused > self.refused && !self.full {
            tracing::warn!(
                pages,
                bytes,
                "memory that has to leave finds no room in its file: --swap-limit, or the disk is full"
            );
        } else if self.full && refused == self.refused && !pager.is_nearly_full() {
            tracing::info!(pages, bytes, "there is room again for memory that has to leave");
            self.full = false;
        }
        self.full |= refused > self.refused;
        self.refused = refused;
        if damaged > 0 && !self.damaged {
            tracing::error!("memory that had left came back damaged; more of that is only counted");
            self.damaged = true;
        }
    }
}

impl Swap {
    /// A default pager with a file of at most `limit_bytes` in `folder`. The kernel gives anonymous memory to it from now
    /// on.
    ///
    /// Errors: the file or the ports could not be made.
    pub fn new(kernel: &mut Kernel, folder: &Path, limit_bytes: u64) -> Result<Swap, NodeError> {
        let store = SwapFile::create(folder, limit_bytes).map_err(|error| NodeError::Config(error.to_string()))?;
        let server = Server::new(&mut kernel.ipc);
        let port = Node::calls(kernel, &server).allocate_with_send()?;
        let right = kernel.copy_send(server.space, port)?;
        kernel.set_default_pager(right);
        let (done, results) = unbounded_channel();
        let pager = DefaultPager::new(port, store);
        let (out, told) = Default::default();
        Ok(Swap { server, pager, out, done, told, results: Some(results) })
    }

    /// The results of jobs, for the one loop that hands them to [`Node::on_swap_done`].
    pub fn take_results(&mut self) -> Option<UnboundedReceiver<SwapDone>> {
        self.results.take()
    }

    /// How it is doing.
    pub fn stats(&self) -> DefaultStats {
        self.pager.stats()
    }
}

impl Node {
    pub(crate) fn serve_swap(&mut self) {
        while let Some(swap) = &mut self.swap
            && let Some(message) = Node::calls(&mut self.kernel, &swap.server).receive()
        {
            swap.pager.on_message(message, &mut swap.out);
            swap.told.tell(&swap.pager);
            self.swap_out();
        }
    }

    /// A read or write came to its end.
    pub fn on_swap_done(&mut self, done: SwapDone) {
        if let Some(swap) = &mut self.swap {
            swap.pager.on_job_done(done, &mut swap.out);
            swap.told.tell(&swap.pager);
            self.swap_out();
        }
        self.settle();
    }

    /// Carries out what the default pager wants done.
    fn swap_out(&mut self) {
        let Some(Swap { server, out, done, .. }) = &mut self.swap else { return };
        let mut calls = Node::calls(&mut self.kernel, server);
        for port in out.receive.drain(..) {
            calls.set_receiving(port, true);
        }
        for message in out.messages.drain(..) {
            calls.send_always(message);
        }
        for NamedRight { name, disposition } in out.release.drain(..) {
            match disposition {
                Disposition::MoveReceive => calls.destroy_receive(name),
                _ => calls.deallocate(name),
            }
        }
        for job in out.jobs.drain(..) {
            start(job, done.clone());
        }
    }
}

/// Runs a job where it may block.
fn start(job: SwapJob, done: UnboundedSender<SwapDone>) {
    tokio::task::spawn_blocking(move || {
        // The node may have ended meanwhile; then nobody waits.
        let _ = done.send(job.run());
    });
}
