//! `mach node`: this process as a node, and a node's metrics.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use clap::parser::ValueSource;
use netmsg::{Authority, Identity, JoinToken, Listen};
use rustix::net::SocketType;
use serde::Serialize;

use super::Context;
use crate::args::{self, LogFormat};
use crate::client::Client;
use crate::config::{self, CertFiles, Credentials, Origin, Settings};
use crate::failure::{Cure, Exit, Failure, OrFail, Result};
use crate::out::Row;
use crate::process::{PidRecord, Process};
use crate::state::{NodeDir, create_private};

/// How long the names of other nodes may stay unknown: containers of one cluster start in any order.
const RESOLVE_WITHIN: Duration = Duration::from_secs(10);
/// How long one node may take to answer a joiner.
const JOIN_WITHIN: Duration = Duration::from_secs(5);

/// Carries out one command.
pub fn run(cx: &Context, command: &args::Node, matches: &ArgMatches) -> Result<()> {
    match command {
        args::Node::Run(run) => {
            let own = matches.subcommand_matches("node").and_then(|m| m.subcommand_matches("run"));
            let settings = config::resolve(run, &cx.cluster, &|id| origin(own, id))?;
            if run.print_config {
                return print(cx, &settings);
            }
            serve(&settings, run)
        }
        args::Node::Metrics(target) => {
            let text = Client::attach(&cx.place(target)?)?.metrics()?;
            match cx.out.json() {
                true => cx.out.value(&serde_json::json!({ "text": String::from_utf8_lossy(&text) })),
                false => cx.out.bytes(&text),
            }
        }
    }
}

fn origin(matches: Option<&ArgMatches>, id: &str) -> Origin {
    match matches.and_then(|m| m.value_source(id)) {
        Some(ValueSource::EnvVariable) => Origin::Environment,
        _ => Origin::Flag,
    }
}

/// A setting, as `--print-config` lists it.
#[derive(Serialize)]
struct SettingRow {
    name: &'static str,
    value: String,
    from: String,
}

impl Row for SettingRow {
    const HEADS: &'static [&'static str] = &["SETTING", "VALUE", "FROM"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.into(), self.value.clone(), self.from.clone()]
    }
}

fn print(cx: &Context, settings: &Settings) -> Result<()> {
    let rows = settings.listing().into_iter();
    let rows: Vec<SettingRow> =
        rows.map(|(name, value, from)| SettingRow { name, value, from: from.to_string() }).collect();
    cx.out.list(&rows, "")
}

/// Runs the node in this process until it is told to end.
fn serve(settings: &Settings, run: &args::NodeRun) -> Result<()> {
    start_log(settings)?;
    if run.detached {
        rustix::process::setsid().or_fail(|| "cannot leave the terminal's session".into())?;
    }
    let dir = NodeDir::at(settings.name.clone(), settings.dir.clone());
    create_private(dir.path())?;
    if let Some(process) = Process::of_node(&dir) {
        return Err(Failure::new(Exit::Failed, format!("node {} is running already", settings.name))
            .because(format!("process {}, as {} says", process.pid(), dir.pid().display()))
            .cure("mach cluster status, or another --dir"));
    }
    let listen = if run.listen_on_stdin { Listen::On(bound_to(settings.listen)?) } else { Listen::At(settings.listen) };
    let seeds = resolve_all(&settings.join)?;
    let authority = match &settings.authority {
        Some(path) => Some(
            Authority::load(path).or_exit(Exit::Usage, || format!("cannot use the authority in {}", path.display()))?,
        ),
        None => None,
    };
    let identity = identity(settings, authority.as_ref(), &seeds)?;
    let record = PidRecord::of_self()?;
    let config = kernel_node::NodeConfig {
        name: settings.name.clone(),
        listen,
        advertise: settings.advertise,
        socket: settings.socket.clone(),
        seeds,
        identity,
        authority,
        dead_after: settings.dead_after,
        fault_deadline: settings.fault_deadline,
        metrics: settings.metrics,
        remote_admin: settings.remote_admin,
        low_latency: settings.low_latency,
        fast_path: settings.fast_path,
        mtu_max: settings.mtu_max,
        task_uid: settings.task_uid,
        memory_limit: settings.memory_limit,
        task_memory_limit: settings.task_memory_limit,
        swap_dir: settings.swap_dir.clone(),
        swap_limit: settings.swap_limit,
    };
    // Only who has the socket is the node, of several that are started at once.
    let ready = |address| {
        if let Err(failure) = record.write(&dir) {
            tracing::warn!(why = failure.one_line(), "the node's process is not recorded");
        }
        tracing::info!(node = %settings.name, %address, socket = %settings.socket.display(), "ready");
    };
    let ended = kernel_node::run(config, ready).or_fail(|| format!("node {} failed", settings.name));
    record.remove(&dir);
    ended
}

/// The socket that is this process's standard input.
///
/// Errors: it is none, or is bound elsewhere than the configuration says.
fn bound_to(address: SocketAddr) -> Result<UdpSocket> {
    let what = || format!("standard input is not an unconnected UDP socket that is bound to {address}");
    let input = rustix::stdio::stdin();
    let kind = rustix::net::sockopt::socket_type(input).or_exit(Exit::Usage, what)?;
    let socket = UdpSocket::from(input.try_clone_to_owned().or_exit(Exit::Usage, what)?);
    let bound = socket.local_addr().or_exit(Exit::Usage, what)?;
    let why = match (kind, socket.peer_addr()) {
        (SocketType::DGRAM, Ok(peer)) => format!("it is connected to {peer}"),
        (SocketType::DGRAM, Err(_)) if bound == address => return Ok(socket),
        (SocketType::DGRAM, Err(_)) => format!("it is bound to {bound}"),
        _ => "it is a socket of another kind".to_owned(),
    };
    Err(Failure::new(Exit::Usage, what()).because(why))
}

/// The node's certificate: explicit, kept from before, from the authority beside it, or from the cluster for a token.
fn identity(settings: &Settings, authority: Option<&Authority>, seeds: &[SocketAddr]) -> Result<Identity> {
    let kept = || Identity::load(&settings.dir);
    let identity = match &settings.credentials {
        Credentials::Files(files) => explicit(files)?,
        // A token is used once; after that the node has a certificate of its own, and the token may have expired.
        Credentials::Token(token) => match kept() {
            Ok(identity) => identity,
            Err(_) => join(settings, token, seeds)?,
        },
        Credentials::Folder => match (kept(), authority) {
            (Ok(identity), _) => identity,
            (Err(_), Some(authority)) => {
                let what = || format!("cannot make a certificate for {}", settings.name);
                let identity = authority.issue(&settings.name).or_fail(what)?;
                identity.save(&settings.dir).or_fail(what)?;
                identity
            }
            (Err(error), None) => {
                return Err(error)
                    .or_exit(Exit::Usage, || format!("node {} has no certificate", settings.name))
                    .cure(|| "the first node of a cluster: mach cluster init, then --authority DIR".into())
                    .cure(|| "a further one: --join HOST:PORT --token-file FILE, or --ca, --cert and --key".into());
            }
        },
    };
    let named = identity.name().or_exit(Exit::Usage, || "the node's certificate is wrong".into())?;
    if named == settings.name {
        return Ok(identity);
    }
    Err(Failure::new(Exit::Usage, format!("this node is called {}, and its certificate is for {named}", settings.name))
        .cure(format!("--name {named}, or the certificate of {}", settings.name)))
}

fn explicit(files: &CertFiles) -> Result<Identity> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path).or_exit(Exit::Usage, || format!("cannot read {}", path.display()))
    };
    Ok(Identity { ca_pem: read(&files.ca)?, cert_pem: read(&files.cert)?, key_pem: read(&files.key)? })
}

/// Takes the token to each seed until one gives a certificate, which is kept in the node's folder.
fn join(settings: &Settings, token: &str, seeds: &[SocketAddr]) -> Result<Identity> {
    let token: JoinToken = token.parse().or_exit(Exit::Usage, || "the join token is wrong".into())?;
    let what = || format!("node {} cannot join the cluster", settings.name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_fail(what)?;
    let mut failure = Failure::new(Exit::Failed, what());
    for seed in seeds {
        match runtime.block_on(netmsg::join(*seed, &token, &settings.name, JOIN_WITHIN)) {
            Ok(joined) => {
                joined.identity.save(&settings.dir).or_fail(|| "cannot keep the new certificate".into())?;
                tracing::info!(node = %settings.name, %seed, members = joined.members.len(), "joined");
                warn_if_passing(&settings.dir);
                return Ok(joined.identity);
            }
            Err(error) => failure = failure.because(format!("{seed}: {error}")),
        }
    }
    Err(failure.cure("mach cluster init on the machine of the authority prints a new token"))
}

/// A name is given once: a certificate that is lost at the next boot takes the node's name with it.
fn warn_if_passing(dir: &std::path::Path) {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
    let passing = [Some("/tmp".into()), Some("/run".into()), runtime];
    if passing.into_iter().flatten().any(|base| dir.starts_with(base)) {
        tracing::warn!(dir = %dir.display(), "the only certificate of this node lies where a boot removes it; use --dir");
    }
}

/// The addresses of `HOST:PORT` texts. A name that nobody knows yet is asked for again for a while, then left out.
///
/// Errors: a text without a port; or not one of them is known.
fn resolve_all(texts: &[String]) -> Result<Vec<SocketAddr>> {
    let deadline = Instant::now() + RESOLVE_WITHIN;
    let mut all: Vec<SocketAddr> = Vec::new();
    let mut unknown = Vec::new();
    for text in texts {
        let has_port = text.rsplit_once(':').is_some_and(|(host, port)| {
            let bare_ipv6 = host.contains(':') && !host.ends_with(']');
            !host.is_empty() && !bare_ipv6 && port.parse::<u16>().is_ok()
        });
        if !has_port {
            return Err(Failure::new(Exit::Usage, format!("`{text}` is no address to join")).cure("write HOST:7411"));
        }
        match resolve(text, deadline) {
            Ok(found) => all.extend(found),
            Err(why) => {
                tracing::warn!(address = %text, %why, "left out: the name is not known");
                unknown.push(format!("{text}: {why}"));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    if all.is_empty() && !texts.is_empty() {
        let failure = Failure::new(Exit::NotFound, "none of the nodes to join has a known address");
        return Err(unknown.into_iter().fold(failure, Failure::because));
    }
    Ok(all)
}

fn resolve(text: &str, deadline: Instant) -> std::io::Result<Vec<SocketAddr>> {
    loop {
        match text.to_socket_addrs() {
            Ok(found) => return Ok(found.collect()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn start_log(settings: &Settings) -> Result<()> {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log)
        .or_exit(Exit::Usage, || format!("`{}` is no log filter", settings.log))
        .cure(|| "write info, debug or kernel_node=trace,info".into())?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_a_port_and_are_listed_once() {
        let texts = |t: &[&str]| t.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let found = resolve_all(&texts(&["127.0.0.1:2", "127.0.0.1:1", "127.0.0.1:2"])).unwrap();
        assert_eq!(found, ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]);
        assert!(resolve_all(&[]).unwrap().is_empty());
        for bad in ["127.0.0.1", "host", "host:x", "::1"] {
            let failure = resolve_all(&texts(&[bad])).unwrap_err();
            assert!(failure.to_string().contains("write HOST:7411"), "{bad}: {failure}");
        }
    }
}
