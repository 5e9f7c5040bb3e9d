//! Counters and histograms, and the endpoint that shows them.
//!
//! The kernel thread records; the operator's thread renders. What a scrape needs from kernel state is published into
//! [`Published`], a table that both threads share, so that a scrape never waits for a fault nor a fault for a scrape.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use kernel_core::vm::FaultClass;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::fault_times::FaultTimes;

/// Gauges by name and label, written by the kernel thread and read by the operator's.
pub type Published = Arc<DashMap<(&'static str, String), f64>>;

/// Memory of this process that is resident, as `/proc/self/statm` says; 0 where it cannot be read.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * proto::PAGE_SIZE
}

/// The recorder of this process and the table behind its gauges.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    published: Published,
    faults: Arc<FaultTimes>,
}

impl Metrics {
    /// Installs the process's recorder.
    ///
    /// Errors: a second node in one process.
    pub fn install() -> Result<Metrics, metrics_exporter_prometheus::BuildError> {
        let handle = PrometheusBuilder::new().install_recorder()?;
        Ok(Metrics { handle, published: Arc::default(), faults: Arc::default() })
    }

    /// Records one served fault.
    pub fn fault(&self, class: FaultClass, took: Duration) {
        self.faults.record(class, took);
    }

    /// Publishes the value of a gauge; `label` is the object, link or task it is about, or empty.
    pub fn publish(&self, name: &'static str, label: &str, value: f64) {
        self.published.insert((name, label.to_owned()), value);
    }

    /// Everything in the Prometheus text format.
    pub fn render(&self) -> String {
        for entry in self.published.iter() {
            let (name, label) = entry.key();
            match label.is_empty() {
                true => gauge!(*name).set(*entry.value()),
                false => gauge!(*name, "of" => label.clone()).set(*entry.value()),
            }
        }
        self.handle.run_upkeep();
        let mut text = self.handle.render();
        self.faults.render(&mut text);
        text
    }

    /// Serves `GET /metrics` on a thread of its own until the process ends.
    ///
    /// Errors: the address cannot be bound, or the thread not started. Returns the bound address.
    pub fn serve(&self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        let metrics = self.clone();
        std::thread::Builder::new().name("mach-metrics".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let render = move || std::future::ready(metrics.render());
                let app = axum::Router::new().route("/metrics", axum::routing::get(render));
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    let _ = axum::serve(listener, app).await;
                }
            });
        })?;
        Ok(bound)
    }
}
